/* Log-likelihood of a Gaussian mixture of regressions and its gradient, rows start..stop.

   Compiled with -O3 -march=native -ffast-math, so that exp comes from libmvec.
   X is (p, N); out is [ll | log weights (K) | intercept (K) | coef (K p) | log sigma (K)]. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 256
#define HALF_LOG_2PI 0.91893853320467274178

void gradient(long start, long stop, long n, long p, long K, const double *X, const double *y,
              const double *w, const double *log_weights, const double *intercept,
              const double *coef, const double *log_sigma, double *out) {
  double *r = malloc(K * BLOCK * sizeof(double)), *z = malloc(K * BLOCK * sizeof(double));
  double top[BLOCK], norm[BLOCK];
  memset(out, 0, (1 + 3 * K + K * p) * sizeof(double));
  for (long lo = start; lo < stop; lo += BLOCK) {
    long m = stop - lo < BLOCK ? stop - lo : BLOCK;
    const double *target = y + lo, *weight = w + lo;
    for (long k = 0; k < K; k++) {
      double *restrict zk = z + k * BLOCK, *restrict rk = r + k * BLOCK;
      double scale = exp(-log_sigma[k]);
      double constant = log_weights[k] - log_sigma[k] - HALF_LOG_2PI;
      for (long i = 0; i < m; i++) zk[i] = target[i] - intercept[k];
      for (long j = 0; j < p; j++) {
        double b = coef[k * p + j];
        const double *restrict x = X + j * n + lo;
        for (long i = 0; i < m; i++) zk[i] -= b * x[i];
      }
      for (long i = 0; i < m; i++) {
        zk[i] *= scale;
        rk[i] = constant - 0.5 * zk[i] * zk[i];
      }
    }
    for (long i = 0; i < m; i++) top[i] = r[i];
    for (long k = 1; k < K; k++)
      for (long i = 0; i < m; i++) top[i] = r[k * BLOCK + i] > top[i] ? r[k * BLOCK + i] : top[i];
    for (long i = 0; i < m; i++) norm[i] = 0.0;
    for (long k = 0; k < K; k++) {
      double *restrict rk = r + k * BLOCK;
      for (long i = 0; i < m; i++) {
        rk[i] = exp(rk[i] - top[i]);
        norm[i] += rk[i];
      }
    }
    double ll = 0.0;
    for (long i = 0; i < m; i++) {
      ll += weight[i] * (top[i] + log(norm[i]));
      norm[i] = weight[i] / norm[i];
    }
    out[0] += ll;
    for (long k = 0; k < K; k++) {
      double *restrict rk = r + k * BLOCK, *restrict zk = z + k * BLOCK;
      double scale = exp(-log_sigma[k]), sum_r = 0.0, sum_eta = 0.0, sum_phi = 0.0;
      for (long i = 0; i < m; i++) {
        double c = rk[i] * norm[i], g = c * zk[i];
        sum_r += c;
        sum_eta += g;
        sum_phi += g * zk[i];
        rk[i] = g;
      }
      out[1 + k] += sum_r;
      out[1 + K + k] += scale * sum_eta;
      out[1 + 2 * K + K * p + k] += sum_phi - sum_r;
      for (long j = 0; j < p; j++) {
        const double *restrict x = X + j * n + lo;
        double sum_x = 0.0;
        for (long i = 0; i < m; i++) sum_x += rk[i] * x[i];
        out[1 + 2 * K + k * p + j] += scale * sum_x;
      }
    }
  }
  free(r);
  free(z);
}
