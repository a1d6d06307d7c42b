// What this machine's cores can do at most, as one JSON line: multiply-adds of float32 and, where the processor has them,
// dot products of bfloat16 in registers (GFLOP/s), and the traffic of Adam's update over arrays of a given size (GB/s).
//   cc -O3 -march=native -fopenmp peak.c -o peak && ./peak PARAMETERS ...
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
enum { WIDTH = 16, CHAINS = 20 };  // floats in a register; sums in flight, more than latency x units
#elif defined(__AVX__)
enum { WIDTH = 8, CHAINS = 12 };
#else
enum { WIDTH = 4, CHAINS = 12 };
#endif
typedef float vec __attribute__((vector_size(4 * WIDTH)));

static volatile float sink;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

// Floating-point operations done by `turns` turns of one thread.
static double fma_kernel(long turns) {
  vec sum[CHAINS], x = (vec){0} + 0.999f, y = (vec){0} + 0.001f;
  for (int i = 0; i < CHAINS; i++) sum[i] = (vec){0} + (float)i;
  for (long turn = 0; turn < turns; turn++) {
#pragma GCC unroll 20
    for (int i = 0; i < CHAINS; i++) sum[i] = sum[i] * x + y;
  }
  for (int i = 1; i < CHAINS; i++) sum[0] += sum[i];
  sink = sum[0][0];
  return 2.0 * WIDTH * CHAINS * turns;
}

#ifdef __AVX512BF16__
static double bf16_kernel(long turns) {
  __m512 sum[CHAINS];
  __m512bh x = (__m512bh)_mm512_set1_epi32(0x3f003f00), y = (__m512bh)_mm512_set1_epi32(0x3c003c00);
  for (int i = 0; i < CHAINS; i++) sum[i] = _mm512_set1_ps((float)i);
  for (long turn = 0; turn < turns; turn++) {
#pragma GCC unroll 20
    for (int i = 0; i < CHAINS; i++) sum[i] = _mm512_dpbf16_ps(sum[i], x, y);
  }
  for (int i = 1; i < CHAINS; i++) sum[0] = _mm512_add_ps(sum[0], sum[i]);
  sink = _mm512_cvtss_f32(sum[0]);
  return 4.0 * WIDTH * CHAINS * turns;
}
#endif

// The best of ten tries, in GFLOP/s over all threads.
static double compute_peak(double (*kernel)(long), int threads) {
  double best = 0;
  for (int attempt = 0; attempt < 10; attempt++) {
    double work = 0, start = now();
#pragma omp parallel num_threads(threads) reduction(+ : work)
    work += kernel(2000000);
    double speed = work / (now() - start) / 1e9;
    if (speed > best) best = speed;
  }
  return best;
}

// Reads weight, gradient and both moments and writes all but the gradient, as Adam does, with next to no arithmetic.
static void update(float *restrict w, const float *restrict g, float *restrict m, float *restrict v, size_t count) {
  for (size_t i = 0; i < count; i++) {
    m[i] = 0.9f * m[i] + g[i];
    v[i] = 0.9f * v[i] + g[i];
    w[i] = w[i] - m[i];
  }
}

// The best of 100 passes in GB/s: 28 bytes a parameter.
static double traffic_peak(size_t count, int threads) {
  float *arrays[4];
  for (int i = 0; i < 4; i++) arrays[i] = calloc(count, sizeof(float));
  double best = 0;
  for (int attempt = 0; attempt < 100; attempt++) {
    double start = now();
#pragma omp parallel num_threads(threads)
    {
      size_t thread = omp_get_thread_num(), team = omp_get_num_threads();
      size_t from = count * thread / team, to = count * (thread + 1) / team;
      update(arrays[0] + from, arrays[1] + from, arrays[2] + from, arrays[3] + from, to - from);
    }
    double speed = 28.0 * count / (now() - start) / 1e9;
    if (speed > best) best = speed;
  }
  for (int i = 0; i < 4; i++) free(arrays[i]);
  return best;
}

static void report(int threads, int count, char **parameters) {
  printf("{\"threads\":%d,\"float32\":%.1f", threads, compute_peak(fma_kernel, threads));
#ifdef __AVX512BF16__
  printf(",\"bf16\":%.1f", compute_peak(bf16_kernel, threads));
#endif
  printf(",\"traffic\":[");
  for (int i = 0; i < count; i++) printf("%s%.1f", i ? "," : "", traffic_peak(strtoull(parameters[i], 0, 10), threads));
  printf("]}");
}

int main(int argc, char **argv) {
  int all = omp_get_max_threads();
  printf("[");
  report(1, argc - 1, argv + 1);
  if (all > 1) printf(",");
  if (all > 1) report(all, argc - 1, argv + 1);
  printf("]\n");
}
