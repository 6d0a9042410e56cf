/* Sequences of GRU (m = 4) and CfC (m = 3), forwards and backwards; their equations are in cells.py. Names as in kernels.c.

       a_k = W_k h + drive_k, k = 0 ... m - 1

   GRU  r = sigmoid(a_0), z = sigmoid(a_1), q = a_3,   c = tanh(a_2 + r q),   h <- c + z (h - c);   W_2 = 0
   CfC  s = sigmoid(-a_0 / rate), g = tanh(a_1), k = tanh(a_2),               h <- k + s (g - k)

   A tanh is 2 sigmoid(2 a) - 1. What a substep leaves in `path`: the state before it, r, z, c, q or s, g, k. */

#ifndef GATED_H
#define GATED_H
#include "lanes.h"

static inline real tanh_of(real x) { return 2 * sigmoid(2 / LN2 * x) - 1; }

/* a_0, a_1, a_2, q -> r, z, c, q, and the next state. */
static inline void gru_step(const real *restrict h, real *restrict r, real *restrict z, real *restrict c,
                            const real *restrict q, real *restrict after)
{
    EACH
    {
        r[b] = sigmoid(1 / LN2 * r[b]);
        z[b] = sigmoid(1 / LN2 * z[b]);
        c[b] = tanh_of(c[b] + r[b] * q[b]);
        after[b] = c[b] + z[b] * (h[b] - c[b]);
    }
}

/* g, the gradient of the next state -> those of a_0 ... a_3, and of h but for what the a send to it. */
static inline void gru_back(const real *restrict h, const real *restrict r, const real *restrict z,
                            const real *restrict c, const real *restrict q, real *restrict g, real *restrict d_0,
                            real *restrict d_1, real *restrict d_2, real *restrict d_3)
{
    EACH
    {
        d_1[b] = g[b] * (h[b] - c[b]) * z[b] * (1 - z[b]);
        d_2[b] = g[b] * (1 - z[b]) * (1 - c[b] * c[b]);
        d_3[b] = d_2[b] * r[b];
        d_0[b] = d_3[b] * q[b] * (1 - r[b]);
        g[b] *= z[b];
    }
}

static inline void cfc_step(const real *restrict speed, real *restrict s, real *restrict g, real *restrict k,
                            real *restrict after)
{
    EACH
    {
        s[b] = sigmoid(-1 / LN2 * s[b] / speed[b]);
        g[b] = tanh_of(g[b]);
        k[b] = tanh_of(k[b]);
        after[b] = k[b] + s[b] * (g[b] - k[b]);
    }
}

/* The old state enters only through the a. */
static inline void cfc_back(const real *restrict speed, const real *restrict s, const real *restrict g,
                            const real *restrict k, real *restrict grad, real *restrict d_0, real *restrict d_1,
                            real *restrict d_2)
{
    EACH
    {
        d_0[b] = grad[b] * (k[b] - g[b]) * s[b] * (1 - s[b]) / speed[b];
        d_1[b] = grad[b] * s[b] * (1 - g[b] * g[b]);
        d_2[b] = grad[b] * (1 - s[b]) * (1 - k[b] * k[b]);
        grad[b] = 0;
    }
}

/* drive (T, B, m n), weight (m, n, n) [of a][to][from]; the others as for decaying_forward, without leak.
   path: T ((m + 1) L + 1) n lanes. space: (m + 1) n + 1 lanes. */
static inline void gated_forward(int m, int T, int B, int n, int L, double steady, const real *drive, const real *kick,
                                 const real *h, const unsigned char *starts, const real *rate, const real *weight,
                                 lanes *path, lanes *space, real *out)
{
    const unsigned mode = tiny_is_zero();
    const long nn = (long)n * n;
    lanes *input = space, *added = input + (long)m * n;
    real *speed = added[n];
    for (int first = 0; first < B; first += LANES) {
        const int count = B - first < LANES ? B - first : LANES;
        gather(n, count, h + (long)first * n, path);
        for (int t = 0; t < T; t++) {
            const long at = (long)t * B + first;
            EACH speed[b] = rate ? rate[at + SAMPLE] : (real)steady;
            gather(m * n, count, drive + at * m * n, input);
            begin_step(n, count, AT(starts, at), AT(kick, at * n), added, path);
            for (int k = 0; k < L; k++) {
                lanes *a = path + n, *after = a + (long)m * n;
                for (int i = 0; i < n; i++) {
                    for (int gate = 0; gate < m; gate++)
                        if (m == 4 && gate == 2)
                            memcpy(a[2 * n + i], input[2 * n + i], sizeof(lanes));
                        else
                            receive(n, weight + gate * nn + (long)i * n, path, input[gate * n + i], a[gate * n + i]);
                    if (m == 4)
                        gru_step(path[i], a[i], a[n + i], a[2 * n + i], a[3 * n + i], after[i]);
                    else
                        cfc_step(speed, a[i], a[n + i], a[2 * n + i], after[i]);
                }
                path = after;
            }
            scatter(n, count, path, out + at * n);
            if (t < T - 1)
                memcpy(path + n, path, sizeof(lanes) * n);
            path += n;
        }
    }
    put_back(mode);
}

/* gbar <- dh'/dh gbar + sum_k W_k^T d_a_k. space: (m n + 2 m + 1) n + 1 lanes, zero. */
static inline void gated_backward(int m, int T, int B, int n, int L, double steady, const unsigned char *starts,
                                  const real *rate, const real *weight, lanes *path, lanes *space, const real *grad,
                                  real *d_drive, real *d_kick, real *d_h, real *d_weight)
{
    const unsigned mode = tiny_is_zero();
    const long nn = (long)n * n;
    lanes *sums = space, *g = sums + m * nn, *d_a = g + n, *d_input = d_a + (long)m * n;
    real *speed = d_input[(long)m * n];
    for (int first = 0; first < B; first += LANES) {
        const int count = B - first < LANES ? B - first : LANES;
        lanes *now = path += (long)T * ((m + 1) * L + 1) * n;
        memset(g, 0, sizeof(lanes) * n);
        for (int t = T - 1; t >= 0; t--) {
            const long at = (long)t * B + first;
            EACH speed[b] = rate ? rate[at + SAMPLE] : (real)steady;
            enter_step_back(n, count, grad + at * n, d_a, g);
            memset(d_input, 0, sizeof(lanes) * m * n);
            now -= n;
            for (int k = 0; k < L; k++) {
                lanes *a = now - (long)m * n;
                now = a - n;
                for (int i = 0; i < n; i++)
                    if (m == 4)
                        gru_back(now[i], a[i], a[n + i], a[2 * n + i], a[3 * n + i], g[i], d_a[i], d_a[n + i],
                                 d_a[2 * n + i], d_a[3 * n + i]);
                    else
                        cfc_back(speed, a[i], a[n + i], a[2 * n + i], g[i], d_a[i], d_a[n + i], d_a[2 * n + i]);
                for (int gate = 0; gate < m; gate++) {
                    lanes *of_gate = d_a + (long)gate * n;
                    for (int i = 0; i < n; i++)
                        EACH d_input[gate * n + i][b] += of_gate[i][b];
                    if (m == 4 && gate == 2)
                        continue;
                    for (int i = 0; i < n; i++)
                        for (int j = 0; j < n; j++)
                            receive_back(weight[gate * nn + (long)i * n + j], now[j], of_gate[i], g[j],
                                         sums[gate * nn + (long)i * n + j]);
                }
            }
            scatter(m * n, count, d_input, d_drive + at * m * n);
            leave_step_back(n, count, AT(starts, at), g, AT(d_kick, at * n));
        }
        scatter(n, count, g, d_h + (long)first * n);
    }
    for (long s = 0; s < m * nn; s++)
        d_weight[s] = total(sums[s]);
    put_back(mode);
}

/* The arguments of the other pairs; there is no leak. */
#define GATED(name, m)                                                                                                 \
    void name##_forward(int T, int B, int n, int L, double steady, const real *drive, const real *kick, const real *h, \
                        const unsigned char *starts, const real *rate, const real *weight, const real *leak,           \
                        lanes *path, lanes *space, real *out)                                                          \
    {                                                                                                                  \
        (void)leak;                                                                                                    \
        gated_forward(m, T, B, n, L, steady, drive, kick, h, starts, rate, weight, path, space, out);                  \
    }                                                                                                                  \
    void name##_backward(int T, int B, int n, int L, double steady, const unsigned char *starts, const real *rate,     \
                         const real *weight, const real *leak, lanes *path, lanes *space, const real *grad,            \
                         real *d_drive, real *d_kick, real *d_h, real *d_weight, real *d_leak)                         \
    {                                                                                                                  \
        (void)leak, (void)d_leak;                                                                                      \
        gated_backward(m, T, B, n, L, steady, starts, rate, weight, path, space, grad, d_drive, d_kick, d_h, d_weight);\
    }

GATED(gru, 4)
GATED(cfc, 3)

#endif
