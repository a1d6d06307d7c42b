#!/usr/bin/env bash
# setup-peers.sh DIR: makes the environments of the programs that `npm run bench` compares torchvae with, each in its own
# folder under DIR, and prints the variables that name them. Where packages come from is up to pip's and npm's settings.
set -euo pipefail
mkdir -p "${1:?usage: setup-peers.sh DIR}"
cd "$1"
for name in torch jax keras; do [ -d "$name" ] || python3 -m venv "$name"; done
torch/bin/pip install --quiet numpy torch==2.13.0
jax/bin/pip install --quiet numpy jax==0.10.2 jaxlib==0.10.2 optax
keras/bin/pip install --quiet numpy tensorflow-cpu==2.21.0 keras
npm install --silent --prefix tfjs @tensorflow/tfjs@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0
cat <<VARIABLES
export TORCHVAE_BENCH_TORCH=$PWD/torch/bin/python
export TORCHVAE_BENCH_JAX=$PWD/jax/bin/python
export TORCHVAE_BENCH_KERAS=$PWD/keras/bin/python
export TORCHVAE_BENCH_TFJS=$PWD/tfjs
VARIABLES
