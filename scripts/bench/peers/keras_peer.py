"""Keras on TensorFlow as a program of the benchmark: keras_peer.py W1|W2|W3. Model.fit with jit_compile=True."""

import os
import sys
import time

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import tensorflow as tf
from keras import layers
from serve import BATCH, HIDDEN, LATENT, answer, commands, images, say_ready

workload = sys.argv[1]
batch_size, latent = BATCH[workload], LATENT[workload]
keras.utils.set_random_seed(0)
data = images()
if workload == "W3":
    data = data.reshape(-1, 28, 28, 1)


def conv(kind, channels, activation=None):
    return kind(channels, 3, strides=2, padding="same", activation=activation)


def make_encoder():
    x = h = keras.Input(data.shape[1:])
    if workload == "W3":
        h = conv(layers.Conv2D, 32, "relu")(h)
        h = layers.Flatten()(conv(layers.Conv2D, 64, "relu")(h))
    else:
        for width in HIDDEN[workload]:
            h = layers.Dense(width, activation="relu")(h)
    return keras.Model(x, [layers.Dense(latent)(h), layers.Dense(latent)(h)])


def make_decoder():
    z = h = keras.Input((latent,))
    if workload == "W3":
        h = layers.Reshape((7, 7, 64))(layers.Dense(3136, activation="relu")(h))
        h = conv(layers.Conv2DTranspose, 32, "relu")(h)
        return keras.Model(z, conv(layers.Conv2DTranspose, 1)(h))
    for width in HIDDEN[workload][::-1]:
        h = layers.Dense(width, activation="relu")(h)
    return keras.Model(z, layers.Dense(784)(h))


class Vae(keras.Model):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = make_encoder(), make_decoder()
        self.loss_mean = keras.metrics.Mean(name="loss")

    @property
    def metrics(self):
        return [self.loss_mean]

    def train_step(self, x):
        with tf.GradientTape() as tape:
            mean, log_variance = self.encoder(x, training=True)
            z = mean + tf.random.normal(tf.shape(mean)) * tf.exp(0.5 * log_variance)
            logits = self.decoder(z, training=True)
            loss = tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=logits))
            loss -= 0.5 * tf.reduce_sum(1 + log_variance - mean**2 - tf.exp(log_variance))
        weights = self.trainable_weights
        self.optimizer.apply(tape.gradient(loss, weights), weights)
        self.loss_mean.update_state(loss / batch_size)
        return {"loss": self.loss_mean.result()}


class Clock(keras.callbacks.Callback):
    """Times the steps after the first of a fit(), whose beginning is not counted, and ends it in time."""

    def begin(self, seconds):
        self.seconds, self.started, self.times = seconds, None, []

    def on_train_batch_end(self, batch, logs=None):
        now = time.perf_counter()
        self.loss = float(logs["loss"])
        if self.started is None:
            self.started = now
        else:
            self.times.append(now - self.last)
        self.last = now
        if self.times and now - self.started >= self.seconds:
            self.model.stop_training = True


model, clock = Vae(), Clock()
model.compile(optimizer=keras.optimizers.Adam(1e-3), jit_compile=True)
whole = data[: len(data) // batch_size * batch_size]


def fit(rows, epochs, seconds):
    clock.begin(seconds)
    model.fit(rows, batch_size=batch_size, epochs=epochs, verbose=0, callbacks=[clock])


fit(data[:batch_size], 1, 0)
say_ready(clock.loss, {"tensorflow": tf.__version__, "keras": keras.__version__})
total = 1
for seconds in commands():
    fit(whole, 1_000_000, seconds)
    total += len(clock.times) + 1
    answer(clock.times, clock.last - clock.started, clock.loss, total)
