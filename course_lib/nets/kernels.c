/* Sequences of steps, forwards and backwards: semi-implicit ones of the synaptic LTC, LTC and CTRNN, and explicit
   Runge-Kutta steps of LTC, CTRNN and NeuralODE. Those of GRU and CfC are in gated.h.

   native.py compiles this, once with REAL = float and once with REAL = double, and hands over all memory. LANES samples
   go together. Every array inside has them last, so that each inner loop is one or two vector instructions. What B
   lacks to a multiple of LANES is filled with copies of a sample, which stay as finite as it, without a gradient.
   Common names: T steps, B samples, n neurons, L substeps; rate = L / dt, `steady` if it is one number; starts is 1
   where an episode begins and the state is 0, whatever it was; kick is added to the state when a step begins; d_x is
   the gradient of x. */

#include "lanes.h"
#include "gated.h"

/* --- synaptic LTC; its equations are in synaptic.py

       s_ij = sigmoid(sigma_ij h_j - shift_ij)
       X_i  = drive_i + g v_i + c_i h_i + sum_j E_ij s_ij      c_i = C_i rate
       Y_i  = drive'_i + g_i  + c_i     + sum_j w_ij s_ij      (E stands for w E)
       h_i <- X_i / Y_i

   A synapse with w = E = 0 costs nothing. sigma and shift come multiplied by log2(e), as the sigmoid is of base 2. */

static inline int exists(const real *synapse, long nn) { return synapse[2 * nn] != 0 || synapse[3 * nn] != 0; }

/* A synapse opens with h, and adds to the sums X and Y of the neuron it leads to. */
static inline void transmit(const real *synapse, long nn, const real *restrict h, real *restrict X, real *restrict Y)
{
    const real sigma = synapse[0], shift = synapse[nn], E = synapse[2 * nn], w = synapse[3 * nn];
    EACH
    {
        real s = sigmoid(sigma * h[b] - shift);
        X[b] += E * s;
        Y[b] += w * s;
    }
}

/* Backwards: what it adds to the gradient g of h, and to the gradients of its own numbers. */
static inline void transmit_back(const real *synapse, long nn, const real *restrict h, const real *restrict e,
                                 const real *restrict f, real *restrict g, lanes *restrict sum)
{
    const real sigma = synapse[0], shift = synapse[nn], E = synapse[2 * nn], w = synapse[3 * nn];
    EACH
    {
        real s = sigmoid(sigma * h[b] - shift);
        real a = s * (LN2 - LN2 * s) * (E * e[b] + w * f[b]);
        g[b] += sigma * a;
        sum[0][b] += a * h[b];
        sum[1][b] -= a;
        sum[2][b] += s * e[b];
        sum[3][b] += s * f[b];
    }
}

/* drive (T, B, 2 n); kick (T, B, n), starts and rate (T, B) or NULL: none, all 0, all `steady`; h (B, n);
   synapses (4, n, n) [sigma, shift, E, w][to][from]; leak (3, n) [g v, g, C]; out (T, B, n).
   path: for each LANES samples and each step the state before every substep, 1/Y, ..., the state after the last one,
   T (2 L + 1) n lanes. space: 3 n + 3 lanes. */
void synaptic_forward(int T, int B, int n, int L, double steady, const real *drive, const real *kick, const real *h,
                      const unsigned char *starts, const real *rate, const real *synapses, const real *leak,
                      lanes *path, lanes *space, real *out)
{
    const unsigned mode = tiny_is_zero();
    const long nn = (long)n * n;
    const real *gv = leak, *g = gv + n, *C = g + n;
    lanes *base = space, *added = base + 2 * n;
    real *X = added[n], *Y = X + LANES, *speed = Y + LANES;
    for (int first = 0; first < B; first += LANES) {
        const int count = B - first < LANES ? B - first : LANES;
        gather(n, count, h + (long)first * n, path);
        for (int t = 0; t < T; t++) {
            const long at = (long)t * B + first;
            EACH speed[b] = rate ? rate[at + SAMPLE] : (real)steady;
            gather(2 * n, count, drive + at * 2 * n, base);
            begin_step(n, count, AT(starts, at), AT(kick, at * n), added, path);
            for (int i = 0; i < n; i++) {
                EACH base[i][b] += gv[i];
                EACH base[n + i][b] += g[i] + C[i] * speed[b];
            }
            for (int k = 0; k < L; k++) {
                lanes *inverse = path + n, *after = path + 2 * n;
                for (int i = 0; i < n; i++) {
                    EACH X[b] = base[i][b] + C[i] * speed[b] * path[i][b];
                    EACH Y[b] = base[n + i][b];
                    for (int j = 0; j < n; j++)
                        if (exists(synapses + (long)i * n + j, nn))
                            transmit(synapses + (long)i * n + j, nn, path[j], X, Y);
                    EACH inverse[i][b] = 1 / Y[b];
                    EACH after[i][b] = X[b] * inverse[i][b];
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

/* grad (T, B, n), the gradient of out -> those of drive, kick (or NULL), h, synapses and leak. Step by step, with the
   gradients e = gbar / Y of X and f = -e h' of Y, and a_ij = s_ij (1 - s_ij) (E_ij e_i + w_ij f_i):
       gbar_j <- c_j e_j + sum_i sigma_ij a_ij
   space: 4 n n + 6 n + 1 lanes, zero. */
void synaptic_backward(int T, int B, int n, int L, double steady, const unsigned char *starts, const real *rate,
                       const real *synapses, const real *leak, lanes *path, lanes *space, const real *grad,
                       real *d_drive, real *d_kick, real *d_h, real *d_synapses, real *d_leak)
{
    const unsigned mode = tiny_is_zero();
    const long nn = (long)n * n;
    const real *C = leak + 2 * n;
    lanes *sums = space, *sum_C = sums + 4 * nn, *g = sum_C + n, *e = g + n, *f = e + n, *d_base = f + n;
    real *speed = d_base[2 * n];
    for (int first = 0; first < B; first += LANES) {
        const int count = B - first < LANES ? B - first : LANES;
        lanes *now = path += (long)T * (2 * L + 1) * n; /* the end of these samples */
        memset(g, 0, sizeof(lanes) * n);
        for (int t = T - 1; t >= 0; t--) {
            const long at = (long)t * B + first;
            EACH speed[b] = rate ? rate[at + SAMPLE] : (real)steady;
            enter_step_back(n, count, grad + at * n, e, g);
            memset(d_base, 0, sizeof(lanes) * 2 * n);
            now -= n;
            for (int k = 0; k < L; k++) {
                lanes *after = now, *inverse = now - n;
                now -= 2 * n;
                for (int i = 0; i < n; i++) {
                    EACH e[i][b] = g[i][b] * inverse[i][b];
                    EACH f[i][b] = -e[i][b] * after[i][b];
                    EACH d_base[i][b] += e[i][b];
                    EACH d_base[n + i][b] += f[i][b];
                    EACH sum_C[i][b] += (e[i][b] * now[i][b] + f[i][b]) * speed[b];
                    EACH g[i][b] = C[i] * speed[b] * e[i][b];
                }
                for (int i = 0; i < n; i++)
                    for (int j = 0; j < n; j++)
                        if (exists(synapses + (long)i * n + j, nn))
                            transmit_back(synapses + (long)i * n + j, nn, now[j], e[i], f[i], g[j],
                                          sums + 4 * ((long)i * n + j));
            }
            scatter(2 * n, count, d_base, d_drive + at * 2 * n);
            leave_step_back(n, count, AT(starts, at), g, AT(d_kick, at * n));
        }
        scatter(n, count, g, d_h + (long)first * n);
    }
    for (long s = 0; s < nn; s++)
        for (int q = 0; q < 4; q++)
            d_synapses[q * nn + s] = total(sums[4 * s + q]);
    for (int i = 0; i < n; i++)
        d_leak[2 * n + i] = total(sum_C[i]);
    memset(d_leak, 0, sizeof(real) * 2 * n);
    for (long at = 0; at < (long)T * B; at++)
        for (int i = 0; i < 2 * n; i++) /* g v enters beside the current, g beside the conductance */
            d_leak[i] += d_drive[at * 2 * n + i];
    put_back(mode);
}

/* --- LTC and CTRNN; their equations are in cells.py

       a = W h + drive,   f = sigmoid(a) or tanh(a) = 2 sigmoid(2 a) - 1
       h <- X / Y,   X = rate h + A f,   Y = rate + decay + f (LTC)   or   A = 1, Y = rate + decay (CTRNN)

   m is 1 for LTC and 2 for CTRNN: s = sigmoid(m a), f = m s - (m - 1), and f counts in Y with 2 - m. */

/* One step of a neuron; s is a before and s after it. */
static inline void settle(int m, real A, real decay, const real *restrict speed, const real *restrict h,
                          real *restrict s, real *restrict inverse, real *restrict after)
{
    EACH
    {
        real S = sigmoid(m / LN2 * s[b]);
        s[b] = S;
        inverse[b] = 1 / (speed[b] + decay + (2 - m) * S);
        after[b] = (speed[b] * h[b] + A * (m * S - (m - 1))) * inverse[b];
    }
}

static inline void settle_back(int m, real A, const real *restrict speed, const real *restrict s,
                               const real *restrict inverse, const real *restrict after, real *restrict g,
                               real *restrict d_a, real *restrict d_input, real *restrict sum_decay,
                               real *restrict sum_A)
{
    EACH
    {
        real e = g[b] * inverse[b], f = -e * after[b];
        d_a[b] = m * m * s[b] * (1 - s[b]) * (A * e + (2 - m) * f);
        d_input[b] += d_a[b];
        sum_decay[b] += f;
        sum_A[b] += e * (m * s[b] - (m - 1));
        g[b] = speed[b] * e;
    }
}

/* drive, kick (T, B, n), starts, rate (T, B), h (B, n), weight (n, n) [to, from], leak (2, n) [decay, A], out (T, B, n).
   path: as above, but before 1/Y comes s: T (3 L + 1) n lanes. space: 2 n + 1 lanes. */
void decaying_forward(int T, int B, int n, int L, double steady, int m, const real *drive, const real *kick,
                      const real *h, const unsigned char *starts, const real *rate, const real *weight, const real *leak,
                      lanes *path, lanes *space, real *out)
{
    const unsigned mode = tiny_is_zero();
    const real *decay = leak, *A = leak + n;
    lanes *input = space, *added = input + n;
    real *speed = added[n];
    for (int first = 0; first < B; first += LANES) {
        const int count = B - first < LANES ? B - first : LANES;
        gather(n, count, h + (long)first * n, path);
        for (int t = 0; t < T; t++) {
            const long at = (long)t * B + first;
            EACH speed[b] = rate ? rate[at + SAMPLE] : (real)steady;
            gather(n, count, drive + at * n, input);
            begin_step(n, count, AT(starts, at), AT(kick, at * n), added, path);
            for (int k = 0; k < L; k++) {
                lanes *open = path + n, *inverse = open + n, *after = inverse + n;
                for (int i = 0; i < n; i++) {
                    receive(n, weight + (long)i * n, path, input[i], open[i]);
                    settle(m, A[i], decay[i], speed, path[i], open[i], inverse[i], after[i]);
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

/* With e and f the gradients of X and Y as above: gbar <- rate e + W^T d_a,  d_a = m^2 s (1 - s) (A e + (2 - m) f).
   space: n n + 6 n + 1 lanes, zero. */
void decaying_backward(int T, int B, int n, int L, double steady, int m, const unsigned char *starts,
                       const real *rate, const real *weight, const real *leak, lanes *path, lanes *space, const real *grad, real *d_drive,
                       real *d_kick, real *d_h, real *d_weight, real *d_leak)
{
    const unsigned mode = tiny_is_zero();
    const long nn = (long)n * n;
    const real *A = leak + n;
    lanes *sums = space, *sum_decay = sums + nn, *sum_A = sum_decay + n, *g = sum_A + n, *d_a = g + n;
    lanes *d_input = d_a + n;
    real *speed = d_input[n];
    for (int first = 0; first < B; first += LANES) {
        const int count = B - first < LANES ? B - first : LANES;
        lanes *now = path += (long)T * (3 * L + 1) * n;
        memset(g, 0, sizeof(lanes) * n);
        for (int t = T - 1; t >= 0; t--) {
            const long at = (long)t * B + first;
            EACH speed[b] = rate ? rate[at + SAMPLE] : (real)steady;
            enter_step_back(n, count, grad + at * n, d_a, g);
            memset(d_input, 0, sizeof(lanes) * n);
            now -= n;
            for (int k = 0; k < L; k++) {
                lanes *after = now, *inverse = after - n, *open = inverse - n;
                now = open - n;
                for (int i = 0; i < n; i++)
                    settle_back(m, A[i], speed, open[i], inverse[i], after[i], g[i], d_a[i], d_input[i], sum_decay[i],
                                sum_A[i]);
                for (int i = 0; i < n; i++)
                    for (int j = 0; j < n; j++)
                        receive_back(weight[(long)i * n + j], now[j], d_a[i], g[j], sums[(long)i * n + j]);
            }
            scatter(n, count, d_input, d_drive + at * n);
            leave_step_back(n, count, AT(starts, at), g, AT(d_kick, at * n));
        }
        scatter(n, count, g, d_h + (long)first * n);
    }
    for (long s = 0; s < nn; s++)
        d_weight[s] = total(sums[s]);
    for (int i = 0; i < n; i++) {
        d_leak[i] = total(sum_decay[i]);
        d_leak[n + i] = total(sum_A[i]);
    }
    put_back(mode);
}

/* --- explicit Runge-Kutta steps of LTC, CTRNN, NeuralODE (decay = 0) with the coefficients a_rs, b_s of S stages

       y_r = h + d sum_{s<r} a_rs k_s,   k_s = A f - (decay + (2 - m) f) y_s,   h <- h + d sum_s b_s k_s,   d = 1 / rate

   with m, s and f as above. table: (S + 1, S), the rows a_r and then b. */

/* The state y of a stage: h and what the first S rates add, each with its coefficient. */
static inline void mix(int n, int i, int S, const real *table, const real *restrict speed, const real *restrict h,
                       lanes *restrict rates, real *restrict y)
{
    lanes sum = {0};
    for (int s = 0; s < S; s++)
        if (table[s] != 0)
            EACH sum[b] += table[s] * rates[(long)s * n + i][b];
    EACH y[b] = h[b] + sum[b] / speed[b];
}

/* a -> s, and the rate. */
static inline void rise(int m, real A, real decay, const real *restrict y, real *restrict s, real *restrict rate)
{
    EACH
    {
        real S = sigmoid(m / LN2 * s[b]);
        s[b] = S;
        rate[b] = A * (m * S - (m - 1)) - (decay + (2 - m) * S) * y[b];
    }
}

/* e, the gradient of a rate -> those of a and of y, but for what a sends to y. */
static inline void rise_back(int m, real A, real decay, const real *restrict e, const real *restrict y,
                             const real *restrict s, real *restrict d_y, real *restrict d_a, real *restrict d_input,
                             real *restrict sum_decay, real *restrict sum_A)
{
    EACH
    {
        d_a[b] = m * m * s[b] * (1 - s[b]) * (A - (2 - m) * y[b]) * e[b];
        d_y[b] = -(decay + (2 - m) * s[b]) * e[b];
        d_input[b] += d_a[b];
        sum_decay[b] -= e[b] * y[b];
        sum_A[b] += e[b] * (m * s[b] - (m - 1));
    }
}

/* Arguments as for decaying_forward. path: for each LANES samples and each step the y and s of every stage, ..., the
   state after the last substep, T (2 S L + 1) n lanes. space: (2 + S) n + 1 lanes. */
void explicit_forward(int T, int B, int n, int L, double steady, int m, int S, const real *table, const real *drive,
                      const real *kick, const real *h, const unsigned char *starts, const real *rate,
                      const real *weight, const real *leak, lanes *path, lanes *space, real *out)
{
    const unsigned mode = tiny_is_zero();
    const real *decay = leak, *A = leak + n;
    lanes *input = space, *added = input + n, *rates = added + n;
    real *speed = rates[(long)S * n];
    for (int first = 0; first < B; first += LANES) {
        const int count = B - first < LANES ? B - first : LANES;
        gather(n, count, h + (long)first * n, path);
        for (int t = 0; t < T; t++) {
            const long at = (long)t * B + first;
            EACH speed[b] = rate ? rate[at + SAMPLE] : (real)steady;
            gather(n, count, drive + at * n, input);
            begin_step(n, count, AT(starts, at), AT(kick, at * n), added, path);
            for (int k = 0; k < L; k++) {
                lanes *before = path;
                for (int r = 0; r < S; r++, path += 2 * n) {
                    lanes *y = path, *s = path + n;
                    if (r) /* the first stage is the state itself */
                        for (int i = 0; i < n; i++)
                            mix(n, i, r, table + (long)r * S, speed, before[i], rates, y[i]);
                    for (int i = 0; i < n; i++) {
                        receive(n, weight + (long)i * n, y, input[i], s[i]);
                        rise(m, A[i], decay[i], y[i], s[i], rates[(long)r * n + i]);
                    }
                }
                for (int i = 0; i < n; i++)
                    mix(n, i, S, table + (long)S * S, speed, before[i], rates, path[i]);
            }
            scatter(n, count, path, out + at * n);
            if (t < T - 1)
                memcpy(path + n, path, sizeof(lanes) * n);
            path += n;
        }
    }
    put_back(mode);
}

/* From the last stage to the first, with e_s = d (b_s gbar + sum_{r>s} a_rs ybar_r) the gradient of k_s:
       ybar_s = -(decay + (2 - m) s) e_s + W^T d_a,   gbar <- gbar + sum_s ybar_s
   space: n n + (6 + S) n + 1 lanes, zero. */
void explicit_backward(int T, int B, int n, int L, double steady, int m, int S, const real *table,
                       const unsigned char *starts, const real *rate, const real *weight, const real *leak, lanes *path, lanes *space,
                       const real *grad, real *d_drive, real *d_kick, real *d_h, real *d_weight, real *d_leak)
{
    const unsigned mode = tiny_is_zero();
    const long nn = (long)n * n;
    const real *decay = leak, *A = leak + n;
    lanes *sums = space, *sum_decay = sums + nn, *sum_A = sum_decay + n, *g = sum_A + n, *e = g + n, *d_a = e + n;
    lanes *d_input = d_a + n, *d_y = d_input + n;
    real *speed = d_y[(long)S * n];
    for (int first = 0; first < B; first += LANES) {
        const int count = B - first < LANES ? B - first : LANES;
        lanes *now = path += (long)T * (2 * S * L + 1) * n;
        memset(g, 0, sizeof(lanes) * n);
        for (int t = T - 1; t >= 0; t--) {
            const long at = (long)t * B + first;
            EACH speed[b] = rate ? rate[at + SAMPLE] : (real)steady;
            enter_step_back(n, count, grad + at * n, d_a, g);
            memset(d_input, 0, sizeof(lanes) * n);
            now -= n;
            for (int k = 0; k < L; k++) {
                for (int r = S - 1; r >= 0; r--) {
                    lanes *y = now - 2 * n, *s = now - n, *out_y = d_y + (long)r * n;
                    now = y;
                    for (int i = 0; i < n; i++) {
                        const real share = table[(long)S * S + r];
                        EACH e[i][b] = share * g[i][b];
                        for (int later = r + 1; later < S; later++)
                            EACH e[i][b] += table[(long)later * S + r] * d_y[(long)later * n + i][b];
                        EACH e[i][b] /= speed[b];
                        rise_back(m, A[i], decay[i], e[i], y[i], s[i], out_y[i], d_a[i], d_input[i], sum_decay[i],
                                  sum_A[i]);
                    }
                    for (int i = 0; i < n; i++)
                        for (int j = 0; j < n; j++)
                            receive_back(weight[(long)i * n + j], y[j], d_a[i], out_y[j], sums[(long)i * n + j]);
                }
                for (int i = 0; i < S * n; i++)
                    EACH g[i % n][b] += d_y[i][b];
            }
            scatter(n, count, d_input, d_drive + at * n);
            leave_step_back(n, count, AT(starts, at), g, AT(d_kick, at * n));
        }
        scatter(n, count, g, d_h + (long)first * n);
    }
    for (long s = 0; s < nn; s++)
        d_weight[s] = total(sums[s]);
    for (int i = 0; i < n; i++) {
        d_leak[i] = total(sum_decay[i]);
        d_leak[n + i] = total(sum_A[i]);
    }
    put_back(mode);
}
