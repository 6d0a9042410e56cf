/* What ensemble.py does in torch, a layer at a time, here in one call; steps of Adam and of targets; and one plain network
   forwards. Nothing is checked here. */

#include "ensemble.h"

void ensemble_forward(const ensemble *j)
{
    unsigned mode = tiny_is_zero();
    int engaged = engage(j->threads);
    run_forward(j, engaged);
    release(engaged);
    put_back(mode);
}

void ensemble_backward(const ensemble *j)
{
    unsigned mode = tiny_is_zero();
    int engaged = engage(j->threads);
    run_backward(j, engaged);
    release(engaged);
    put_back(mode);
}

/* One step of Adam on n numbers, the `steps`-th; gradients are multiplied by `scale`. */
void adam_step(long n, float *p, const float *g, float *first, float *second, long steps, double lr, double eps,
               double scale, int threads)
{
    adam_job j = {n, p, first, second, g, lr / (1 - pow(0.9, steps)), sqrt(1 - pow(0.999, steps)), eps, scale};
    unsigned mode = tiny_is_zero();
    int engaged = engage(n < 20000 ? 1 : threads);
    do_phase(engaged, adam_part, &j, 0);
    release(engaged);
    put_back(mode);
}

/* follower += tau (followed - follower) */
void follow(long n, float *restrict follower, const float *restrict followed, double tau)
{
    const float share = tau;
    for (long i = 0; i < n; i++) follower[i] += share * (followed[i] - follower[i]);
}

/* --- one plain network, forwards --- */

typedef struct {
    int layers, kind, rows, threads;
    const int *sizes;
    const float *const *W, *const *b; /* of each layer (out, in) and (out,), as torch.nn.Linear has them */
    const float *x;                   /* (rows, in) */
    float *out;                       /* (rows, out) */
    int lacks;                        /* memory */
} stack_job;

static void stack_part(void *what, int part, int phase)
{
    stack_job *j = what;
    const int half = j->rows < BLOCK / 2 ? j->rows : (j->rows / 2 + ROWS - 1) / ROWS * ROWS;
    const int from = part ? half : 0, to = part ? j->rows : half, last = j->layers - 1;
    long packed = 0, widest = 0;
    (void)phase;
    if (from >= to) return;
    for (int i = 0; i <= last; i++) {
        packed += j->sizes[i] * whole(j->sizes[i + 1]);
        widest = widest > j->sizes[i + 1] ? widest : j->sizes[i + 1];
    }
    float *memory = malloc((packed + 2 * BLOCK * widest) * sizeof(float)), *at = memory;
    if (!memory) {
        j->lacks = 1;
        return;
    }
    for (int i = 0; i <= last; i++) {
        pack_transposed(j->sizes[i], j->sizes[i + 1], j->W[i], j->sizes[i], at);
        at += j->sizes[i] * whole(j->sizes[i + 1]);
    }
    for (int row = from; row < to; row += BLOCK) {
        const int rows = at_most(to - row, BLOCK);
        const float *h = j->x + (long)row * j->sizes[0], *panels = memory;
        for (int i = 0; i <= last; i++) {
            const int in = j->sizes[i], out = j->sizes[i + 1];
            float *next = i == last ? j->out + (long)row * out : memory + packed + i % 2 * BLOCK * widest;
            product(rows, out, in, h, in, 1, panels, (long)in * WIDE, WIDE, j->b[i], 0, next, out);
            if (i < last) activate(j->kind, (long)rows * out, next);
            panels += in * whole(out);
            h = next;
        }
    }
    free(memory);
}

/* x -> out; 1 where there is no memory for it, else 0. */
int stack_forward(stack_job *j)
{
    unsigned mode = tiny_is_zero();
    int engaged = engage(j->rows < BLOCK ? 1 : j->threads);
    j->lacks = 0;
    do_phase(engaged, stack_part, j, 0);
    release(engaged);
    put_back(mode);
    return j->lacks;
}
