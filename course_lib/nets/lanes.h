/* What the sequences of kernels.c and gated.h share: LANES samples that go together, their sigmoid, and what a neuron
   receives from the others. */

#ifndef LANES_H
#define LANES_H
#include <string.h>
#include "tiny.h"

typedef REAL real;
/* 2^r for |r| <= 1/2. LIMIT keeps powers of 2 in range. MAGIC is so large that adding it rounds to whole numbers; they
   are then in the last bits. */
#if REAL_BYTES == 4 /* fitted; relative error 1e-7 */
typedef unsigned whole;
#define LIMIT 60.0f
#define MAGIC 12582912.0f
#define MANTISSA 23
#define BIAS 127U
#define LN2 0.693147181f
#define POWER_OF_2(r) \
    (((((0.00133908634f * r + 0.00967603192f) * r + 0.0555035711f) * r + 0.240221075f) * r + \
    0.693147188f) * r + 1.00000008f)
#else /* Taylor's series; relative error 2e-16 */
typedef unsigned long long whole;
#define LIMIT 500.0
#define MAGIC 6755399441055744.0
#define MANTISSA 52
#define BIAS 1023ULL
#define LN2 0.69314718055994531
#define POWER_OF_2(r) \
    ((((((((((((2.5678435993488196e-11 * r + 4.4455382718708101e-10) * r + 7.0549116208011209e-09) * r + \
    1.0178086009239696e-07) * r + 1.3215486790144305e-06) * r + 1.5252733804059838e-05) * r + \
    0.00015403530393381606) * r + 0.0013333558146428441) * r + 0.0096181291076284769) * r + \
    0.055504108664821576) * r + 0.24022650695910069) * r + 0.69314718055994531) * r + 1.0)
#endif
#define LANES (64 / REAL_BYTES) /* a cache line, and the widest vector there is */
#define EACH for (int b = 0; b < LANES; b++)
typedef real lanes[LANES];

/* Sigmoid of base 2, cheaper than that of e: 1 / (1 + 2^-x), 2^-x = 2^k 2^r. Without branches or calls, so that
   compilers vectorise it. NaN passes, for every comparison with it fails. */
static inline real sigmoid(real x)
{
    x = LIMIT < x ? LIMIT : x;
    x = -LIMIT > x ? -LIMIT : x;
    real k = MAGIC - x;
    union { real value; whole bits; } scale = {k};
    scale.bits = (scale.bits << MANTISSA) + (BIAS << MANTISSA);
    k -= MAGIC;
    real r = -x - k, p = POWER_OF_2(r);
    return 1 / (1 + p * scale.value);
}

static real total(const real *x)
{
    real sum = 0;
    EACH sum += x[b];
    return sum;
}

/* Sample b, or the one that it is a copy of. */
#define SAMPLE (b < count ? b : 0)

/* `count` samples, `width` numbers each, one sample after another <-> width x LANES. */
static void gather(int width, int count, const real *from, lanes *to)
{
    for (int i = 0; i < width; i++)
        EACH to[i][b] = from[(long)SAMPLE * width + i];
}

/* The same for a gradient, to which copies add nothing. */
static void gather_gradient(int width, int count, const real *from, lanes *to)
{
    for (int i = 0; i < width; i++)
        EACH to[i][b] = b < count ? from[(long)b * width + i] : 0;
}

static void scatter(int width, int count, lanes *from, real *to)
{
    for (int b = 0; b < count; b++)
        for (int i = 0; i < width; i++)
            to[(long)b * width + i] = from[i][b];
}

/* A step begins: the state is 0 where an episode does, and the kick is added. All of these `count` samples. */
static inline void begin_step(int n, int count, const unsigned char *starts, const real *kick, lanes *added,
                              lanes *state)
{
    if (kick)
        gather(n, count, kick, added);
    for (int i = 0; i < n; i++) {
        if (starts)
            EACH state[i][b] = starts[SAMPLE] ? 0 : state[i][b];
        if (kick)
            EACH state[i][b] += added[i][b];
    }
}

/* Backwards, g is the gradient of the state: after the step it gets that of what was returned, ... */
static inline void enter_step_back(int n, int count, const real *grad, lanes *more, lanes *g)
{
    gather_gradient(n, count, grad, more);
    for (int i = 0; i < n; i++)
        EACH g[i][b] += more[i][b];
}

/* ... and before it the kick has the same, and an episode's start stops it. */
static inline void leave_step_back(int n, int count, const unsigned char *starts, lanes *g, real *d_kick)
{
    if (d_kick)
        scatter(n, count, g, d_kick);
    if (starts)
        for (int i = 0; i < n; i++)
            EACH g[i][b] = starts[SAMPLE] ? 0 : g[i][b];
}

/* Where a step's numbers begin in an array that may be missing. */
#define AT(array, place) ((array) ? (array) + (place) : NULL)

/* a, before the sigmoid is taken of it */
static inline void receive(int n, const real *restrict weight, lanes *restrict h, const real *restrict input,
                           real *restrict a)
{
    EACH a[b] = input[b];
    for (int j = 0; j < n; j++)
        EACH a[b] += weight[j] * h[j][b];
}

static inline void receive_back(real weight, const real *restrict h, const real *restrict d_a, real *restrict g,
                                real *restrict sum)
{
    EACH g[b] += weight * d_a[b];
    EACH sum[b] += h[b] * d_a[b];
}

#endif
