#include "cpu/gate.h"

#include "cpu/vector.h"

namespace torchvae::cpu {
namespace {

// Open at first: each step of a flow begins close to the identity.
constexpr float kOpen = 2.0f;

}  // namespace

TORCHVAE_VECTORIZED void gate(const GateInput& input, float* to, float* logSlope) {
  const int64_t n = input.size;
  for (int64_t i = 0; i < input.rows; ++i) {
    const float *z = input.z + i * n, *shift = input.parts + i * 2 * n, *gates = shift + n;
    float sum = 0;
    for (int64_t j = 0; j < n; ++j) {
      const float s = vec::sigmoid(gates[j] + kOpen);
      to[i * n + j] = s * z[j] + (1.0f - s) * shift[j];
    }
    for (int64_t j = 0; j < n; ++j) sum -= vec::softplus(-(gates[j] + kOpen));
    logSlope[i] = sum;
  }
}

TORCHVAE_VECTORIZED void gateBackward(const GateInput& input, const float* dTo, const float* dLogSlope,
                                      float* dz, float* dParts) {
  const int64_t n = input.size;
  for (int64_t i = 0; i < input.rows; ++i) {
    const float *z = input.z + i * n, *shift = input.parts + i * 2 * n, *gates = shift + n;
    float *dShift = dParts + i * 2 * n, *dGate = dShift + n;
    for (int64_t j = 0; j < n; ++j) {
      const float s = vec::sigmoid(gates[j] + kOpen);
      const float d = dTo[i * n + j];
      dz[i * n + j] = d * s;
      dShift[j] = d * (1.0f - s);
      dGate[j] = (d * (z[j] - shift[j]) * s + dLogSlope[i]) * (1.0f - s);
    }
  }
}

}  // namespace torchvae::cpu
