// Every activation, one entry each. The engine, its CPU kernels, the CUDA kernels (NVRTC) and their twin all
// read this list; nothing else names an activation.
//
//   TORCHVAE_ACTIVATION(kind, name, kept, tensor, value, slope)
//     kind    the enumerator of ActivationKind
//     name    the public name
//     kept    what the backward pass keeps: kOutput where the slope is a function of y, kSlope where it is
//     not tensor  f(x) by libtorch's operations, of a tensor x value   f(x) of one number x of type C slope
//     f'(x), of x or of y = f(x), as `kept` says
//   `M` has the elementary functions of the compiler at hand. NaN must come out of `value` as NaN, so that
//   the guard for values that are not finite sees it.
//
// No include guard: each reader defines the macro, includes this file, and undefines it.
TORCHVAE_ACTIVATION(kIdentity, "identity", kOutput, x, x, C(1))
TORCHVAE_ACTIVATION(kRelu, "relu", kOutput, x.relu(), x<0 ? C(0) : x, y> 0 ? C(1) : C(0))
TORCHVAE_ACTIVATION(kTanh, "tanh", kOutput, x.tanh(), M::tanh(x), C(1) - y * y)
TORCHVAE_ACTIVATION(kSigmoid, "sigmoid", kOutput, x.sigmoid(), M::sigmoid(x), y*(C(1) - y))
TORCHVAE_ACTIVATION(kElu, "elu", kOutput, at::elu(x), x > 0 ? x : M::expm1(x), y > 0 ? C(1) : y + C(1))
TORCHVAE_ACTIVATION(kSoftplus, "softplus", kOutput, at::softplus(x), M::softplus(x), -M::expm1(-y))
TORCHVAE_ACTIVATION(kLeakyRelu, "leaky-relu", kOutput, at::leaky_relu(x),
                    x<0 ? C(0.01) * x : x, y> 0 ? C(1) : C(0.01))
TORCHVAE_ACTIVATION(kGelu, "gelu", kSlope, at::gelu(x), x* M::normalCdf(x),
                    M::normalCdf(x) + x * M::normalPdf(x))
TORCHVAE_ACTIVATION(kSilu, "silu", kSlope, at::silu(x), x* M::sigmoid(x),
                    M::sigmoid(x) * (C(1) + x * (C(1) - M::sigmoid(x))))
