/* Several ReLU networks of the same widths, forwards and backwards: what dense.c and ../rl/q_update.c share. With two
   threads each takes half of the networks, or of the samples where there is one network. All memory is handed over. */

#include "dense.h"

typedef struct {
    int members, count, layers, rows, threads, wanted, wanted_x; /* `count` of the members take part */
    const int *sizes;
    const float *flat;       /* of each layer W (members, in, out) and b (members, out) */
    float *d_flat, *d_other; /* its gradient, and where there is one network that of the second half of the samples */
    float *const *h;         /* x (rows, in), then the output of every layer (count, rows, out) */
    const float *grad;       /* of the last output */
    float *d[2];             /* (count, rows, widest) each */
    float *d_x;              /* (count, rows, wanted_x) */
    float *space[2];         /* for each thread one matrix in panels, and one more gradient of a narrow layer */
} ensemble;

static long numbers(const ensemble *j, int layer)
{
    return (long)j->members * (j->sizes[layer] + 1) * j->sizes[layer + 1];
}

/* Which network and samples are part `part`'s: with one network half of the samples, else half of the networks. */
static void share(const ensemble *j, int part, int *from, int *to, int *start, int *rows)
{
    if (j->count == 1) {
        int half = (j->rows / 2 + ROWS - 1) / ROWS * ROWS;
        half = at_most(half, j->rows);
        *from = 0, *to = 1, *start = part ? half : 0, *rows = part ? j->rows - half : half;
    } else {
        int half = (j->count + 1) / 2;
        *from = part ? half : 0, *to = part ? j->count : half, *start = 0, *rows = j->rows;
    }
}

static inline float dot(int n, const float *restrict x, const float *restrict y)
{
    float part[WIDE] = {0}, sum = 0;
    int i = 0;
    for (; i + WIDE <= n; i += WIDE)
        for (int k = 0; k < WIDE; k++) part[k] += x[i + k] * y[i + k];
    for (; i < n; i++) sum += x[i] * y[i];
    for (int k = 0; k < WIDE; k++) sum += part[k];
    return sum;
}

static void forward_part(void *what, int part, int phase)
{
    const ensemble *j = what;
    int from, to, start, rows;
    (void)phase;
    share(j, part, &from, &to, &start, &rows);
    for (int e = from; e < to; e++) {
        const float *flat = j->flat;
        for (int i = 0; i < j->layers; i++) {
            const int in = j->sizes[i], out = j->sizes[i + 1];
            const float *W = flat + (long)e * in * out, *b = flat + (long)j->members * in * out + (long)e * out;
            const float *h = j->h[i] + ((i ? (long)e * j->rows : 0) + start) * in;
            float *next = j->h[i + 1] + ((long)e * j->rows + start) * out;
            if (out == 1) { /* such as a value */
                for (int m = 0; m < rows; m++) next[m] = *b + dot(in, h + (long)m * in, W);
                if (i + 1 < j->layers) activate(RELU, rows, next);
                flat += numbers(j, i);
                continue;
            }
            const int ready = is_panel(out);
            if (!ready) pack(in, out, W, out, j->space[part]);
            product(rows, out, in, h, in, 1, ready ? W : j->space[part], ready ? WIDE : (long)in * WIDE,
                    ready ? out : WIDE, b, 0, next, out);
            if (i + 1 < j->layers) activate(RELU, (long)rows * out, next);
            flat += numbers(j, i);
        }
    }
}

/* dW (in, out) = h^T d over `rows` samples. */
static void weight_gradient(int rows, int in, int out, const float *h, const float *d, float *dW, float *space)
{
    const int narrow = out < LANES && out < in; /* then rather its transpose, whose rows are long */
    const float *b = narrow ? h : d;
    const int width = narrow ? in : out, ready = is_panel(width);
    if (!ready) pack(rows, width, b, width, space);
    const float *panels = ready ? b : space;
    const long panel = ready ? WIDE : (long)rows * WIDE, step = ready ? width : WIDE;
    if (!narrow) {
        product(in, out, rows, h, 1, in, panels, panel, step, 0, 0, dW, out);
        return;
    }
    float *turned = space + (long)rows * whole(width);
    product(out, in, rows, d, 1, out, panels, panel, step, 0, 0, turned, in);
    for (int k = 0; k < in; k++)
        for (int o = 0; o < out; o++) dW[(long)k * out + o] = turned[(long)o * in + k];
}

static void backward_part(void *what, int part, int phase)
{
    const ensemble *j = what;
    int from, to, start, rows, widest = 0;
    (void)phase;
    share(j, part, &from, &to, &start, &rows);
    for (int i = 0; i <= j->layers; i++) widest = widest > j->sizes[i] ? widest : j->sizes[i];
    float *space = j->space[part], *gradient = part && j->count == 1 ? j->d_other : j->d_flat;
    long all = 0;
    for (int i = 0; i < j->layers; i++) all += numbers(j, i);
    for (int e = from; e < to; e++) {
        const long row = (long)e * j->rows + start;
        const float *d = j->grad + row * j->sizes[j->layers];
        long at = all;
        for (int i = j->layers - 1; i >= 0; i--) {
            const int in = j->sizes[i], out = j->sizes[i + 1];
            at -= numbers(j, i);
            const long weight = at + (long)e * in * out, bias = at + (long)j->members * in * out + (long)e * out;
            const float *h = j->h[i] + ((i ? (long)e * j->rows : 0) + start) * in;
            if (j->wanted) {
                float *db = gradient + bias;
                weight_gradient(rows, in, out, h, d, gradient + weight, space);
                memset(db, 0, out * sizeof(float));
                for (int m = 0; m < rows; m++)
                    for (int o = 0; o < out; o++) db[o] += d[(long)m * out + o];
            }
            const int first = i ? 0 : in - j->wanted_x, columns = in - first;
            if (!columns) break;
            float *below = i ? j->d[i % 2] + ((long)e * j->rows + start) * widest
                             : j->d_x + ((long)e * j->rows + start) * columns;
            pack_transposed(out, columns, j->flat + weight + (long)first * out, out, space);
            product(rows, columns, out, d, out, 1, space, (long)out * WIDE, WIDE, 0, 0, below, columns);
            if (i) activate_back(RELU, (long)rows * in, h, below);
            d = below;
        }
    }
}

static void add_part(void *what, int part, int phase)
{
    const ensemble *j = what;
    long all = 0, half;
    (void)phase;
    for (int i = 0; i < j->layers; i++) all += numbers(j, i);
    half = all / 2;
    float *restrict to = j->d_flat, *restrict from = j->d_other;
    for (long i = part ? half : 0; i < (part ? all : half); i++) to[i] += from[i];
}

/* x -> the output of every layer. */
static void run_forward(const ensemble *j, int engaged) { do_phase(engaged, forward_part, (void *)j, 0); }

/* grad -> d_flat, if `wanted`, and d_x of the last wanted_x columns of x. */
static void run_backward(const ensemble *j, int engaged)
{
    do_phase(engaged, backward_part, (void *)j, 0);
    if (j->wanted && j->count == 1) do_phase(engaged, add_part, (void *)j, 1);
}

typedef struct {
    long n;
    float *p, *first, *second;
    const float *g;
    float alpha, root, eps, scale;
} adam_job;

static void adam_part(void *what, int part, int phase)
{
    const adam_job *j = what;
    const long half = j->n / 2 / WIDE * WIDE, from = part ? half : 0, n = part ? j->n - half : half;
    (void)phase;
    adam(n, j->p + from, j->g + from, j->first + from, j->second + from, j->alpha, j->root, j->eps, j->scale);
}

