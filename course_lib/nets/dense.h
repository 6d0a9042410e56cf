/* Fully connected networks, forwards and backwards: what dense.c and ../rl/ppo_epoch.c share.

   A matrix is rows of floats, one sample a row. A layer is W (out, in) and b (out,), as in torch, and the layers of a
   network follow one another in memory. Products run in tiles of ROWS x WIDE numbers of the result that stay in
   registers; what is multiplied by them lies in panels, WIDE columns side by side. */

#define _POSIX_C_SOURCE 200112L /* threads */
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "tiny.h"

#if defined(__AVX512F__)
#define LANES 16
#define ROWS 12
#elif defined(__AVX__)
#define LANES 8
#define ROWS 6
#else
#define LANES 4
#define ROWS 6
#endif
#define WIDE (2 * LANES)
#ifndef DEPTH
#define DEPTH 128
#endif
#define PATIENCE 500 /* what Python does between two calls seldom takes longer */
#define LAYERS 16 /* at most */
#define BLOCK 240 /* samples that go through a network together, so that they stay in the cache; a multiple of ROWS */
#define UNROLL _Pragma("GCC unroll 16")

typedef float vec __attribute__((vector_size(4 * LANES)));

static inline vec load(const float *from)
{
    vec v;
    memcpy(&v, from, sizeof v);
    return v;
}

static inline void store(float *to, vec v) { memcpy(to, &v, sizeof v); }
static inline int at_most(int a, int b) { return a < b ? a : b; }
static inline long whole(long n) { return (n + WIDE - 1) / WIDE * WIDE; }

/* --- products ---------------------------------------------------------------------------------------------------- */

/* rows x columns numbers of C, in one or two vectors a row: first (WIDE,) or 0, or with `add` what C holds, plus A B.
   A(m, k) = a[m am + k ak]; row k of B is b[k bk], of which whole vectors are read. */
static inline __attribute__((always_inline)) void tile(int rows, int vectors, int columns, int K, const float *a,
                                                       long am, long ak, const float *b, long bk, const float *first,
                                                       int add, float *c, long cm)
{
    vec sum[ROWS][2];
    UNROLL for (int m = 0; m < rows; m++)
        UNROLL for (int v = 0; v < vectors; v++) sum[m][v] = first ? load(first + v * LANES) : (vec){0};
    for (int k = 0; k < K; k++) {
        vec row[2];
        UNROLL for (int v = 0; v < vectors; v++) row[v] = load(b + k * bk + v * LANES);
        UNROLL for (int m = 0; m < rows; m++)
        {
            float x = a[m * am + k * ak];
            UNROLL for (int v = 0; v < vectors; v++) sum[m][v] += x * row[v];
        }
    }
    UNROLL for (int m = 0; m < rows; m++)
    {
        float *to = c + m * cm;
        if (columns == vectors * LANES) {
            UNROLL for (int v = 0; v < vectors; v++)
                store(to + v * LANES, add ? sum[m][v] + load(to + v * LANES) : sum[m][v]);
        } else {
            float out[WIDE];
            UNROLL for (int v = 0; v < vectors; v++) store(out + v * LANES, sum[m][v]);
            for (int j = 0; j < columns; j++) to[j] = add ? to[j] + out[j] : out[j];
        }
    }
}

#define CASE(n) \
    case n: tile(n, 2, columns, K, a, am, ak, b, bk, first, add, c, cm); break; \
    case n + ROWS: tile(n, 1, columns, K, a, am, ak, b, bk, first, add, c, cm); break;
static void tiles(int rows, int columns, int K, const float *a, long am, long ak, const float *b, long bk,
                  const float *first, int add, float *c, long cm)
{
    switch (columns > LANES ? rows : rows + ROWS) {
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#if ROWS == 12
        CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
#endif
    }
}

/* C (M, N) = bias + A B, or C + A B. Columns n .. n + WIDE of B are the panel at b + n / WIDE * panel, its rows bk
   apart. bias (N,) or NULL. */
static void product(int M, int N, int K, const float *a, long am, long ak, const float *b, long panel, long bk,
                    const float *bias, int add, float *c, long cm)
{
    float first[WIDE];
    for (int n = 0; n < N; n += WIDE, b += panel) {
        int columns = at_most(N - n, WIDE);
        if (bias) {
            memset(first, 0, sizeof first);
            memcpy(first, bias + n, columns * sizeof(float));
        }
        for (int k = 0; k < K || !k; k += DEPTH) { /* so much of a panel stays in the nearest cache; K may be 0 */
            const int depth = at_most(K - k, DEPTH);
            for (int m = 0; m < M; m += ROWS)
                tiles(at_most(M - m, ROWS), columns, depth, a + m * am + k * ak, am, ak, b + k * bk, bk,
                      bias && !k ? first : 0, add || k, c + m * cm + n, cm);
        }
    }
}

/* Panels of the transpose of B (N, K), whose rows are bn apart. */
static void pack_transposed(int K, int N, const float *B, long bn, float *to)
{
    for (int n = 0; n < N; n += WIDE, to += (long)K * WIDE)
        for (int k = 0; k < K; k += LANES) { /* what is written to stays in the nearest cache */
            int some = at_most(K - k, LANES);
            float *at = to + (long)k * WIDE;
            for (int j = 0; j < WIDE; j++)
                if (n + j < N)
                    for (int i = 0; i < some; i++) at[(long)i * WIDE + j] = B[(n + j) * bn + k + i];
                else
                    for (int i = 0; i < some; i++) at[(long)i * WIDE + j] = 0;
        }
}

/* Panels of B (K, N), whose rows are bk apart. */
static void pack(int K, int N, const float *B, long bk, float *to)
{
    for (int n = 0; n < N; n += WIDE)
        for (int k = 0; k < K; k++, to += WIDE) {
            int columns = at_most(N - n, WIDE);
            memcpy(to, B + k * bk + n, columns * sizeof(float));
            for (int j = columns; j < WIDE; j++) to[j] = 0;
        }
}

/* Whether rows of so many numbers can be read as panels where they lie: they end with one, and not so far apart that
   they push each other out of the cache. */
static inline int is_panel(int width) { return width % WIDE == 0 && width <= 96; }

/* --- what is between the layers ---------------------------------------------------------------------------------- */

/* e^x, relative error 2e-7; loops over it become vectors. NaN passes, for every comparison with it fails. */
static inline float exponential(float x)
{
    x *= 1.44269504f;
    x = 126.0f < x ? 126.0f : x;
    x = -126.0f > x ? -126.0f : x;
    union { float value; unsigned bits; } scale = {x + 12582912.0f}; /* so large that this rounds to whole numbers */
    float r = x - (scale.value - 12582912.0f);
    scale.bits = (scale.bits << 23) + (127U << 23);
    return scale.value * (((((0.00133908634f * r + 0.00967603192f) * r + 0.0555035711f) * r + 0.240221075f) * r +
                           0.693147188f) * r + 1.00000008f);
}

enum { RELU, TANH, ELU };

static void activate(int kind, long n, float *restrict h)
{
    if (kind == RELU)
        for (long i = 0; i < n; i++) h[i] = h[i] > 0 ? h[i] : (h[i] != h[i] ? h[i] : 0);
    else if (kind == TANH)
        for (long i = 0; i < n; i++) h[i] = 1 - 2 / (1 + exponential(2 * h[i]));
    else
        for (long i = 0; i < n; i++) {
            float e = exponential(h[i]) - 1;
            h[i] = h[i] > 0 ? h[i] : e;
        }
}

/* d becomes the derivative by what came in, h is what went out. */
static void activate_back(int kind, long n, const float *restrict h, float *restrict d)
{
    if (kind == RELU)
        for (long i = 0; i < n; i++) d[i] = h[i] > 0 ? d[i] : 0;
    else if (kind == TANH)
        for (long i = 0; i < n; i++) d[i] *= 1 - h[i] * h[i];
    else
        for (long i = 0; i < n; i++) d[i] *= h[i] > 0 ? 1 : h[i] + 1;
}

/* --- networks ---------------------------------------------------------------------------------------------------- */

typedef struct {
    int layers, kind, sizes[LAYERS + 1];
    long count;            /* parameters */
    float *params, *grads; /* (count,) */
    float *packed;         /* W^T of every layer in panels */
    float *h[LAYERS + 1];  /* input and output of every layer, (BLOCK, width) each, and room to read on behind them */
    float *d, *below;      /* gradients of two neighbours, (BLOCK, widest) */
    float *panels;         /* room for one W in panels */
    float *memory;         /* all of this, to be freed */
} network;

/* Memory for a network -> 0, or 1 where there is none. */
static int prepare(network *net, int kind, int layers, const int *sizes, float *params)
{
    long packed = 0, hidden = 0, widest = 0, largest = 0;
    net->layers = layers, net->kind = kind, net->params = params, net->count = 0;
    for (int i = 0; i <= layers; i++) {
        net->sizes[i] = sizes[i];
        hidden += (long)BLOCK * sizes[i] + WIDE;
        widest = widest > sizes[i] ? widest : sizes[i];
    }
    for (int i = 0; i < layers; i++) {
        long size = sizes[i] * whole(sizes[i + 1]), other = sizes[i + 1] * whole(sizes[i]);
        net->count += (long)sizes[i + 1] * (sizes[i] + 1);
        packed += size;
        largest = largest > other ? largest : other;
    }
    widest = BLOCK * widest + WIDE;
    long total = net->count + packed + hidden + 2 * widest + largest + 8 * LANES;
    float *at = net->memory = calloc(total, sizeof(float));
    if (!at) return 1;
    net->grads = at, at += whole(net->count);
    net->packed = at, at += packed;
    for (int i = 0; i <= layers; i++) net->h[i] = at, at += (long)BLOCK * sizes[i] + WIDE;
    net->d = at, at += widest;
    net->below = at, at += widest;
    net->panels = at;
    return 0;
}

/* Lay the weights out for `forward`, after they have changed. */
static void pack_weights(network *net)
{
    const float *p = net->params;
    float *to = net->packed;
    for (int i = 0; i < net->layers; i++) {
        int in = net->sizes[i], out = net->sizes[i + 1];
        pack_transposed(in, out, p, in, to);
        p += (long)out * (in + 1);
        to += in * whole(out);
    }
}

/* h[0] (rows, in) -> h[layers] (rows, out), rows <= BLOCK. */
static void forward(network *net, int rows)
{
    const float *p = net->params, *packed = net->packed;
    for (int i = 0; i < net->layers; i++) {
        int in = net->sizes[i], out = net->sizes[i + 1];
        product(rows, out, in, net->h[i], in, 1, packed, (long)in * WIDE, WIDE, p + (long)out * in, 0, net->h[i + 1],
                out);
        if (i + 1 < net->layers) activate(net->kind, (long)rows * out, net->h[i + 1]);
        p += (long)out * (in + 1);
        packed += in * whole(out);
    }
}

/* d (rows, out), the derivative of a loss by h[layers], adds to grads; d is overwritten. */
static void backward(network *net, int rows)
{
    long at = net->count;
    float *d = net->d, *below = net->below;
    for (int i = net->layers - 1; i >= 0; i--) {
        int in = net->sizes[i], out = net->sizes[i + 1];
        at -= (long)out * (in + 1);
        const float *W = net->params + at;
        float *dW = net->grads + at, *db = dW + (long)out * in;
        if (i + 1 < net->layers) activate_back(net->kind, (long)rows * out, net->h[i + 1], d);
        for (int m = 0; m < rows; m++)
            for (int j = 0; j < out; j++) db[j] += d[(long)m * out + j];
        product(out, in, rows, d, 1, out, net->h[i], WIDE, in, 0, 1, dW, in);
        if (!i) break;
        int ready = is_panel(in);
        if (!ready) pack(out, in, W, in, net->panels);
        product(rows, in, out, d, out, 1, ready ? W : net->panels, ready ? WIDE : (long)out * WIDE, ready ? in : WIDE, 0,
                0, below, in);
        float *other = d;
        d = below, below = other;
    }
}

/* Adam (Kingma & Ba 2015, algorithm 1) with beta1 = .9, beta2 = .999; step: alpha / (1 - .9^t), root: sqrt(1 - .999^t),
   scale: what gradients are multiplied by first. */
static void adam(long n, float *restrict p, const float *restrict g, float *restrict first, float *restrict second,
                 float step, float root, float eps, float scale)
{
    float inverse = 1 / root;
    for (long i = 0; i < n; i++) {
        float x = g[i] * scale;
        first[i] += 0.1f * (x - first[i]);
        second[i] = 0.999f * second[i] + 0.001f * (x * x);
        p[i] -= step * first[i] / (sqrtf(second[i]) * inverse + eps);
    }
}

static double sum_of_squares(long n, const float *x)
{
    float part[64] = {0};
    long i = 0;
    for (; i + 64 <= n; i += 64)
        for (int j = 0; j < 64; j++) part[j] += x[i + j] * x[i + j];
    double sum = 0;
    for (; i < n; i++) sum += x[i] * x[i];
    for (int j = 0; j < 64; j++) sum += part[j];
    return sum;
}

/* --- two threads -------------------------------------------------------------------------------------------------

   Work comes in phases of two parts. The first part is the caller's; the second one is whoever's takes it first, and the
   caller goes on when both are done. So a helper that gets no processor holds nobody up, unless it was interrupted in
   the midst of a part. Who does a part makes no difference to the result.

   There is one helper, which watches out for work for PATIENCE microseconds and then sleeps. It serves one caller at
   a time; others work alone. */

typedef void (*work_part)(void *what, int part, int phase);

static struct {
    int there, busy, asleep;
    long begun, taken, done; /* phases; whose second part is taken, is done */
    work_part part;
    void *what;
    int phase;
    pthread_mutex_t lock;
    pthread_cond_t bell;
} helper = {.lock = PTHREAD_MUTEX_INITIALIZER, .bell = PTHREAD_COND_INITIALIZER};

static inline void wait_a_little(int times)
{
#ifdef __SSE__
    if (times % 4096 < 4000) {
        _mm_pause();
        return;
    }
#else
    (void)times;
#endif
    sched_yield();
}

static long microseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000L + now.tv_nsec / 1000;
}

static int take(long phase)
{
    long before = phase - 1;
    return __atomic_compare_exchange_n(&helper.taken, &before, phase, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static void *help(void *nothing)
{
    (void)nothing;
    tiny_is_zero();
    long since = microseconds();
    for (int times = 0;; times++) {
        long phase = __atomic_load_n(&helper.begun, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&helper.taken, __ATOMIC_SEQ_CST) < phase && take(phase)) {
            helper.part(helper.what, 1, helper.phase);
            __atomic_store_n(&helper.done, phase, __ATOMIC_SEQ_CST);
            times = 0;
            since = microseconds();
        } else if (times % 64 || microseconds() - since < PATIENCE) {
            wait_a_little(times);
        } else {
            pthread_mutex_lock(&helper.lock);
            __atomic_store_n(&helper.asleep, 1, __ATOMIC_SEQ_CST);
            while (__atomic_load_n(&helper.begun, __ATOMIC_SEQ_CST) == phase)
                pthread_cond_wait(&helper.bell, &helper.lock);
            __atomic_store_n(&helper.asleep, 0, __ATOMIC_SEQ_CST);
            pthread_mutex_unlock(&helper.lock);
            since = microseconds();
        }
    }
    return 0;
}

static void alone_after_fork(void)
{
    memset(&helper, 0, sizeof helper);
    pthread_mutex_init(&helper.lock, 0);
    pthread_cond_init(&helper.bell, 0);
}

/* -> whether the helper is this caller's, who then lets it go with `release`. */
static int engage(int threads)
{
    int nobody = 0;
    if (threads < 2 || !__atomic_compare_exchange_n(&helper.busy, &nobody, 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return 0;
    if (!helper.there) {
        pthread_t thread;
        pthread_attr_t detached;
        pthread_attr_init(&detached);
        pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
        helper.there = !pthread_create(&thread, &detached, help, 0);
        pthread_attr_destroy(&detached);
        if (helper.there) pthread_atfork(0, 0, alone_after_fork);
    }
    return 1;
}

static void release(int engaged)
{
    if (engaged) __atomic_store_n(&helper.busy, 0, __ATOMIC_SEQ_CST);
}

static void do_phase(int engaged, work_part part, void *what, int phase)
{
    if (!engaged) {
        part(what, 0, phase);
        part(what, 1, phase);
        return;
    }
    helper.part = part, helper.what = what, helper.phase = phase;
    long now = __atomic_add_fetch(&helper.begun, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&helper.asleep, __ATOMIC_SEQ_CST)) {
        pthread_mutex_lock(&helper.lock);
        pthread_cond_signal(&helper.bell);
        pthread_mutex_unlock(&helper.lock);
    }
    part(what, 0, phase);
    if (take(now)) {
        part(what, 1, phase);
        return;
    }
    for (int times = 0; __atomic_load_n(&helper.done, __ATOMIC_SEQ_CST) < now; times++) wait_a_little(times);
}
