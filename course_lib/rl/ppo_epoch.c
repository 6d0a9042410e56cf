/* One pass of PPO over a rollout, for networks without memory: ppo.py's `loss`, its gradient by hand, and Adam.

   ppo.py says what is computed; this does the same to rounding. Actor and critic share nothing but the norm that
   gradients are scaled down to, so that each may have a thread of its own. A minibatch has two phases: the gradients, and
   a step down each. */

#include "../nets/dense.h"

typedef struct {
    long batch, minibatch;
    int obs, act, layers, activation, normalize, threads;
    const int *sizes; /* (2, layers + 1): of actor and critic */
    float *params, *first, *second;  /* log sigma, actor, critic, one after another; Adam's moments */
    const long long *order;          /* (batch,) */
    const float *x, *action, *log_prob, *advantage, *target;
    double clip, value_coef, entropy_coef, lr, eps, max_norm;
    long steps; /* Adam's, before */
    float *log_ratio;  /* (batch,) out, in `order` */
    double *losses;    /* (2,) out: sums of the minibatches' losses */
} job;

typedef struct {
    const job *j;
    network net[2];
    float *d_log_std; /* (act,) */
    float *rows;      /* (BLOCK, 3 act): log density, by the dimensions of the action */
    double squares[2];
} work;

static void gather(const job *j, network *net, long from, int rows)
{
    for (int i = 0; i < rows; i++)
        memcpy(net->h[0] + (long)i * j->obs, j->x + j->order[from + i] * j->obs, j->obs * sizeof(float));
}

/* eq. (7) on transitions `from` to `to` of `order`: the gradient of the actor and of log sigma. */
static void improve_actor(work *w, long from, long to)
{
    const job *j = w->j;
    network *net = &w->net[0];
    const int act = j->act;
    const float *log_std = j->params;
    const double n = to - from;
    double mean = 0, sd = 0, loss = 0;
    float constant = 0;
    for (int k = 0; k < act; k++) constant += log_std[k] + 0.918938533f;
    if (j->normalize && n > 1) {
        for (long i = from; i < to; i++) mean += j->advantage[j->order[i]];
        mean /= n;
        for (long i = from; i < to; i++) {
            double a = j->advantage[j->order[i]] - mean;
            sd += a * a;
        }
        sd = sqrt(sd / (n - 1)) + 1e-8;
    } else {
        sd = 1;
    }
    memset(net->grads, 0, net->count * sizeof(float));
    for (int k = 0; k < act; k++) w->d_log_std[k] = -j->entropy_coef;
    for (long at = from; at < to; at += BLOCK) {
        int rows = at_most(to - at, BLOCK);
        gather(j, net, at, rows);
        forward(net, rows);
        for (int i = 0; i < rows; i++) {
            const long o = j->order[at + i];
            const float *m = net->h[net->layers] + (long)i * act, *a = j->action + o * act;
            float *d = net->d + (long)i * act, *z = w->rows, log_prob = 0;
            for (int k = 0; k < act; k++) {
                z[k] = (a[k] - m[k]) * z[k + act];
                log_prob += z[k] * z[k];
            }
            const float log_ratio = -0.5f * log_prob - constant - j->log_prob[o];
            const float ratio = log_ratio > 88.72f ? INFINITY : exponential(log_ratio); /* as torch */
            const float advantage = (j->advantage[o] - mean) / sd, low = 1 - j->clip, high = 1 + j->clip;
            const float clipped = ratio < low ? low : ratio > high ? high : ratio;
            const float free_part = ratio * advantage, held = clipped * advantage;
            /* where the clipped part is the lesser one and clipped, nothing depends on the policy */
            const float slope = free_part <= held ? -free_part / n : free_part != free_part ? free_part : 0;
            loss -= free_part <= held ? free_part : held;
            for (int k = 0; k < act; k++) {
                d[k] = slope * z[k] * z[k + act];
                w->d_log_std[k] += slope * (z[k] * z[k] - 1);
            }
            j->log_ratio[at + i] = log_ratio;
        }
        backward(net, rows);
    }
    j->losses[0] += loss / n;
}

/* The value's part of eq. (9). */
static void improve_critic(work *w, long from, long to)
{
    const job *j = w->j;
    network *net = &w->net[1];
    const double n = to - from;
    double loss = 0;
    memset(net->grads, 0, net->count * sizeof(float));
    for (long at = from; at < to; at += BLOCK) {
        int rows = at_most(to - at, BLOCK);
        gather(j, net, at, rows);
        forward(net, rows);
        for (int i = 0; i < rows; i++) {
            float gap = net->h[net->layers][i] - j->target[j->order[at + i]];
            loss += 0.5 * gap * gap;
            net->d[i] = j->value_coef / n * gap;
        }
        backward(net, rows);
    }
    j->losses[1] += loss / n;
}

static void gradient(work *w, int critic, long from)
{
    const job *j = w->j;
    long to = from + j->minibatch < j->batch ? from + j->minibatch : j->batch;
    if (critic) {
        improve_critic(w, from, to);
    } else {
        for (int k = 0; k < j->act; k++) w->rows[k + j->act] = 1 / expf(j->params[k]);
        improve_actor(w, from, to);
    }
    w->squares[critic] = sum_of_squares(w->net[critic].count, w->net[critic].grads);
    if (!critic) w->squares[0] += sum_of_squares(j->act, w->d_log_std);
}

static void step(work *w, int critic, long steps)
{
    const job *j = w->j;
    const double norm = sqrt(w->squares[0] + w->squares[1]), scale = j->max_norm / (norm + 1e-6);
    const float factor = scale < 1 ? scale : scale != scale ? scale : 1;
    const float alpha = j->lr / (1 - pow(0.9, steps)), root = sqrt(1 - pow(0.999, steps));
    const long at = critic ? j->act + w->net[0].count : j->act;
    network *net = &w->net[critic];
    adam(net->count, j->params + at, net->grads, j->first + at, j->second + at, alpha, root, j->eps, factor);
    if (!critic) adam(j->act, j->params, w->d_log_std, j->first, j->second, alpha, root, j->eps, factor);
    pack_weights(net);
}

static void part(void *what, int critic, int phase)
{
    work *w = what;
    if (phase % 2)
        step(w, critic, w->j->steps + phase / 2 + 1);
    else
        gradient(w, critic, phase / 2 * w->j->minibatch);
}

/* All minibatches in `order` -> 0, or 1 where there is no memory for it. */
int ppo_epoch(const job *j)
{
    work w = {.j = j};
    const int minibatches = (j->batch + j->minibatch - 1) / j->minibatch;
    w.rows = calloc(3 * (size_t)j->act, sizeof(float));
    int lacks = !w.rows || prepare(&w.net[0], j->activation, j->layers, j->sizes, j->params + j->act) ||
                prepare(&w.net[1], j->activation, j->layers, j->sizes + j->layers + 1,
                        j->params + j->act + w.net[0].count);
    if (!lacks) {
        unsigned mode = tiny_is_zero();
        w.d_log_std = w.rows + 2 * j->act;
        j->losses[0] = j->losses[1] = 0;
        pack_weights(&w.net[0]);
        pack_weights(&w.net[1]);
        int engaged = engage(j->threads);
        for (int phase = 0; phase < 2 * minibatches; phase++) do_phase(engaged, part, &w, phase);
        release(engaged);
        put_back(mode);
    }
    free(w.net[0].memory);
    free(w.net[1].memory);
    free(w.rows);
    return lacks;
}

/* --- acting ------------------------------------------------------------------------------------------------------ */

typedef struct {
    network net;
    int obs, act;
    const float *mean, *scale, *low, *high; /* of the normaliser (obs,); bounds of actions (act,) */
    float clip;
} acting;

/* What acts with the weights of now -> NULL where there is no memory for it. It is freed with `acting_end`. */
acting *acting_begin(int layers, int activation, const int *sizes, float *params, const float *mean, const float *scale,
                     double clip, const float *low, const float *high)
{
    acting *a = calloc(1, sizeof *a);
    if (!a) return 0;
    if (prepare(&a->net, activation, layers, sizes, params)) {
        free(a);
        return 0;
    }
    a->obs = sizes[0], a->act = sizes[layers];
    a->mean = mean, a->scale = scale, a->clip = clip, a->low = low, a->high = high;
    pack_weights(&a->net);
    return a;
}

/* n observations -> x normalised, drawn = mean + noise, action within the bounds. */
void acting_step(acting *a, long n, const double *observation, const float *noise, float *x, float *drawn, float *action)
{
    const int obs = a->obs, act = a->act;
    unsigned mode = tiny_is_zero();
    for (long i = 0; i < n; i++)
        for (int k = 0; k < obs; k++) {
            float v = ((float)observation[i * obs + k] - a->mean[k]) * a->scale[k];
            v = v < -a->clip ? -a->clip : v;
            x[i * obs + k] = v > a->clip ? a->clip : v;
        }
    for (long at = 0; at < n; at += BLOCK) {
        int rows = at_most(n - at, BLOCK);
        memcpy(a->net.h[0], x + at * obs, (size_t)rows * obs * sizeof(float));
        forward(&a->net, rows);
        const float *mean = a->net.h[a->net.layers];
        for (long i = 0; i < rows; i++)
            for (int k = 0; k < act; k++) {
                const long to = (at + i) * act + k;
                float v = drawn[to] = mean[i * act + k] + noise[to];
                v = v < a->low[k] ? a->low[k] : v;
                action[to] = v > a->high[k] ? a->high[k] : v;
            }
    }
    put_back(mode);
}

void acting_end(acting *a)
{
    if (a) free(a->net.memory);
    free(a);
}
