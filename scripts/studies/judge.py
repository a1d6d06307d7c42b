"""A judge that is not ours: a convolutional classifier of MNIST, trained with PyTorch, of what is in images.

    judge.py IMAGES LABELS CLASSIFIER [FILE ...]

IMAGES and LABELS are MNIST's training set as bare bytes; CLASSIFIER is where the weights are kept. Each FILE holds images
as bare bytes, 784 each. Writes one JSON line for each: how its images are classed, and the moments of the classifier's 128
features, of which the Frechet distance to the first FILE's is given.
"""
import json
import os
import sys

import numpy
import torch
from torch import nn


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
            nn.Flatten(), nn.Linear(32 * 144, 128), nn.ReLU(),
        )
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(128, 10))

    def forward(self, x):
        return self.head(self.features(x))


def load(path):
    pixels = numpy.fromfile(path, dtype=numpy.uint8).reshape(-1, 1, 28, 28)
    return torch.from_numpy(pixels).float() / 255


def train(model, images, labels):
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(3):
        for batch in torch.randperm(len(images)).split(128):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images[batch]), labels[batch]).backward()
            optimizer.step()


def moments(features):
    features = features.double()
    return features.mean(0), torch.cov(features.T)


def root(matrix):
    values, vectors = torch.linalg.eigh(matrix)
    return vectors * values.clamp_min(0).sqrt() @ vectors.T


def frechet(a, b):
    (m, c), (n, d) = a, b
    half = root(c)
    cross = torch.linalg.eigvalsh(half @ d @ half).clamp_min(0).sqrt().sum()
    return ((m - n).square().sum() + c.trace() + d.trace() - 2 * cross).item()


def main(images, labels, weights, *files):
    model = Classifier()
    if os.path.exists(weights):
        model.load_state_dict(torch.load(weights))
    else:
        train(model, load(images), torch.from_numpy(numpy.fromfile(labels, dtype=numpy.uint8)).long())
        torch.save(model.state_dict(), weights)
    model.eval()
    first = None
    with torch.no_grad():
        for path in files:
            features = torch.cat([model.features(part) for part in load(path).split(500)])
            found = moments(features)
            first = first or found
            classes = model.head(features).argmax(1).tolist()
            print(json.dumps({"classes": classes, "frechet": frechet(first, found)}))


main(*sys.argv[1:])
