/* One update of DDPG, TD3 or SAC: what q_learner.py says line by line, to rounding, in one call. */

#include "../nets/ensemble.h"

#define LOG_STD_LOW -20.0f
#define LOG_STD_HIGH 2.0f

typedef struct {
    int obs, act, batch, critics, hidden; /* `hidden` layers */
    const int *widths;                    /* of them */
    int stochastic, entropy, learned, smoothing, first;
    float *actor, *critic;                /* parameters, as ensemble.py lays them out; what follows belongs to these */
    float *actor_first, *actor_second, *critic_first, *critic_second; /* Adam's moments */
    float *next_actor, *target_critic, *target_actor; /* next_actor may be `actor`; target_actor NULL where there is none */
    float *log_temperature, *temperature_first, *temperature_second; /* NULL without */
    double gamma, tau, eps, sd, clip, target_entropy;
} setting;

typedef struct {
    const float *rows; /* (batch, width): observation, action, next observation, reward, terminated */
    long width, critic_steps, actor_steps; /* Adam's, this one included */
    const float *noise[3]; /* (batch, act) for the next action, its smoothing, the action */
    int improve_actor, threads;
    double lr, told[4]; /* out: critic loss, mean Q, actor loss, mean of -log pi */
} call;

typedef struct {
    setting s;
    int actor_sizes[LAYERS + 1], critic_sizes[LAYERS + 1];
    ensemble actor, next, critics, targets;
    float *actor_h[LAYERS + 1], *next_h[LAYERS + 1], *critic_h[LAYERS + 1];
    float *target, *log_prob, *spread, *log_std, *room, *d_actor, *d_critic;
    float *memory;
} learner;

/* --- what is between the networks --------------------------------------------------------------------------------- */

static inline float hyperbolic(float u) { return 1 - 2 / (1 + exponential(2 * u)); }

/* log(1 + e^x), error 2e-7; a polynomial, fitted, because loops over it become vectors. */
static inline float softplus(float x)
{
    const float t = exponential(x > 0 ? -x : x);
    const float log1p = t * ((((((((0.0052534578f * t - 0.0295885074f) * t + 0.078361668f) * t - 0.136747697f) * t +
                                  0.191114311f) * t - 0.248443699f) * t + 0.333192713f) * t - 0.499995015f) * t +
                             0.999999971f);
    return (x > 0 ? x : 0) + log1p;
}

/* out (n, 2 act) of the actor, noise -> action, log pi, sigma noise, log sigma; see actors.squash_forward. */
static void squash(int n, int act, const float *restrict out, const float *restrict noise, float *restrict action,
                   long stride, float *restrict log_prob, float *restrict spread, float *restrict log_std,
                   float *restrict room)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k < act; k++) {
            spread[i * act + k] = out[2 * i * act + k]; /* the mean, for a moment */
            log_std[i * act + k] = out[(2 * i + 1) * act + k];
        }
    for (int i = 0; i < n * act; i++) { /* in one row, so that it becomes vectors */
        const float e = noise[i], raw = log_std[i], low = raw < LOG_STD_LOW ? LOG_STD_LOW : raw;
        const float s = low > LOG_STD_HIGH ? LOG_STD_HIGH : low, sigma = exponential(s) * e, u = spread[i] + sigma;
        room[i] = s + 0.5f * e * e - 2 * (softplus(-2 * u) + u);
        spread[i] = sigma;
        room[n * act + i] = hyperbolic(u);
    }
    for (int i = 0; i < n; i++) {
        float sum = act * 2.3052328943245633f; /* 2 log 2 + log(2 pi) / 2 */
        for (int k = 0; k < act; k++) {
            sum += room[i * act + k];
            action[i * stride + k] = room[n * act + i * act + k];
        }
        log_prob[i] = -sum;
    }
}

/* Derivatives by action and log pi -> by the actor's numbers. */
static void squash_back(int n, int act, const float *action, long stride, const float *spread, const float *log_std,
                        const float *d_action, float d_log_prob, float *d_out)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k < act; k++) {
            const float a = action[i * stride + k], raw = log_std[i * act + k];
            const float d = d_action[i * act + k] * (1 - a * a) + 2 * d_log_prob * a;
            d_out[2 * i * act + k] = d;
            d_out[(2 * i + 1) * act + k] =
                raw >= LOG_STD_LOW && raw <= LOG_STD_HIGH ? d * spread[i * act + k] - d_log_prob : 0;
        }
}

static inline float between(float x, float low, float high)
{
    x = x < low ? low : x;
    return x > high ? high : x;
}

static float least(const float *q, int count, int n, int i)
{
    float found = q[i];
    for (int e = 1; e < count; e++) found = q[(long)e * n + i] < found || q[(long)e * n + i] != q[(long)e * n + i]
                                                ? q[(long)e * n + i] : found;
    return found;
}

/* --- the update ---------------------------------------------------------------------------------------------------- */

static long total(const ensemble *j)
{
    long all = 0;
    for (int i = 0; i < j->layers; i++) all += numbers(j, i);
    return all;
}

/* Observations beside actions: columns of x (n, obs + act). */
static void put(int n, const float *from, long stride, int width, float *to, long other)
{
    for (int i = 0; i < n; i++) memcpy(to + i * other, from + i * stride, width * sizeof(float));
}

/* The actor's action for h[0] of `net`, into the critics' input. */
static void act(learner *l, const ensemble *net, float *const *h, const float *noise, int engaged)
{
    const setting *s = &l->s;
    const int n = s->batch, a = s->act, width = s->obs + a;
    float *to = l->critic_h[0] + s->obs;
    const float *out = h[net->layers];
    run_forward(net, engaged);
    if (s->stochastic)
        squash(n, a, out, noise, to, width, l->log_prob, l->spread, l->log_std, l->room);
    else
        for (int i = 0; i < n; i++)
            for (int k = 0; k < a; k++) to[i * width + k] = hyperbolic(out[i * a + k]);
}

typedef struct {
    adam_job adam;
    float *follower;
    float share;
} step_job;

static void follow_part(void *what, int part, int phase)
{
    const step_job *j = what;
    const long half = j->adam.n / 2 / WIDE * WIDE, from = part ? half : 0, to = part ? j->adam.n : half;
    float *restrict follower = j->follower;
    const float *restrict p = j->adam.p;
    (void)phase;
    for (long i = from; i < to; i++) follower[i] += j->share * (p[i] - follower[i]);
}

static void descend(const setting *s, double lr, long n, float *p, float *first, float *second, const float *g, long steps,
                    int engaged)
{
    adam_job j = {n, p, first, second, g, lr / (1 - pow(0.9, steps)), sqrt(1 - pow(0.999, steps)), s->eps, 1};
    do_phase(engaged, adam_part, &j, 0);
}

static void chase(const setting *s, long n, const float *p, float *follower, int engaged)
{
    step_job j = {.adam = {.n = n, .p = (float *)p}, .follower = follower, .share = s->tau};
    do_phase(engaged, follow_part, &j, 0);
}

void q_update(learner *l, call *c)
{
    const setting *s = &l->s;
    const int n = s->batch, obs = s->obs, a = s->act, width = obs + a;
    const float *rows = c->rows, *reward = rows + 2 * obs + a, *terminated = reward + 1;
    const float alpha = s->log_temperature ? expf(*s->log_temperature) : 0;
    const unsigned mode = tiny_is_zero();
    const int engaged = engage(c->threads);
    float *xa = l->critic_h[0], *q = l->critic_h[l->critics.layers], *d_q = (float *)l->critics.grad;
    double loss = 0, mean = 0;

    /* targets: eqs. (2), (3) of q_losses.py */
    put(n, rows + width, c->width, obs, l->next_h[0], obs);
    put(n, rows + width, c->width, obs, xa, width);
    act(l, &l->next, l->next_h, c->noise[0], engaged);
    if (s->smoothing)
        for (int i = 0; i < n; i++)
            for (int k = 0; k < a; k++) {
                float *to = xa + i * width + obs + k;
                *to = between(*to + between(s->sd * c->noise[1][i * a + k], -s->clip, s->clip), -1, 1);
            }
    run_forward(&l->targets, engaged);
    for (int i = 0; i < n; i++) {
        const float value = least(q, s->critics, n, i) - (s->entropy ? alpha * l->log_prob[i] : 0);
        l->target[i] = reward[i * c->width] + (float)s->gamma * (1 - terminated[i * c->width]) * value;
    }

    /* critics: eq. (5) */
    put(n, rows, c->width, width, xa, width);
    run_forward(&l->critics, engaged);
    for (int e = 0; e < s->critics; e++)
        for (int i = 0; i < n; i++) {
            const float gap = q[e * n + i] - l->target[i];
            d_q[e * n + i] = gap / n;
            loss += 0.5 * gap * gap;
            mean += q[e * n + i];
        }
    c->told[0] = loss / n, c->told[1] = mean / n / s->critics;
    l->critics.wanted = 1, l->critics.wanted_x = 0;
    run_backward(&l->critics, engaged);
    const long critic_count = total(&l->critics), actor_count = total(&l->actor);
    descend(s, c->lr, critic_count, l->s.critic, s->critic_first, s->critic_second, l->d_critic, c->critic_steps, engaged);

    if (c->improve_actor) {
        /* actor: eq. (9) */
        put(n, rows, c->width, obs, l->actor_h[0], obs);
        act(l, &l->actor, l->actor_h, c->noise[2], engaged);
        l->critics.count = s->first ? 1 : s->critics;
        run_forward(&l->critics, engaged);
        double value = 0, log_prob = 0;
        for (int i = 0; i < n; i++) {
            const float lowest = least(q, l->critics.count, n, i);
            for (int e = 0; e < l->critics.count; e++) d_q[e * n + i] = q[e * n + i] == lowest ? -1.0f / n : 0;
            value += lowest;
            if (s->stochastic) log_prob += l->log_prob[i];
        }
        l->critics.wanted = 0, l->critics.wanted_x = a;
        run_backward(&l->critics, engaged);
        float *d_action = l->critics.d_x, *d_out = (float *)l->actor.grad;
        for (int e = 1; e < l->critics.count; e++)
            for (int i = 0; i < n * a; i++) d_action[i] += d_action[(long)e * n * a + i];
        if (s->stochastic)
            squash_back(n, a, xa + obs, width, l->spread, l->log_std, d_action, alpha / n, d_out);
        else
            for (int i = 0; i < n; i++)
                for (int k = 0; k < a; k++) {
                    const float x = xa[i * width + obs + k];
                    d_out[i * a + k] = d_action[i * a + k] * (1 - x * x);
                }
        l->critics.count = s->critics;
        run_backward(&l->actor, engaged);
        descend(s, c->lr, actor_count, l->s.actor, s->actor_first, s->actor_second, l->d_actor, c->actor_steps, engaged);
        if (s->learned) { /* eq. (18), in log alpha */
            float g = -(log_prob / n + s->target_entropy);
            adam(1, s->log_temperature, &g, s->temperature_first, s->temperature_second,
                 c->lr / (1 - pow(0.9, c->actor_steps)), sqrt(1 - pow(0.999, c->actor_steps)), s->eps, 1);
        }
        chase(s, critic_count, s->critic, s->target_critic, engaged);
        if (s->target_actor) chase(s, actor_count, s->actor, s->target_actor, engaged);
        c->told[2] = (s->entropy ? expf(*s->log_temperature) * log_prob / n : 0) - value / n;
        c->told[3] = -log_prob / n;
    }
    release(engaged);
    put_back(mode);
}

/* --- memory -------------------------------------------------------------------------------------------------------- */

/* Room for one ensemble: hidden layers, gradients of two neighbours and of the last, what two threads lay out. With
   `at` NULL it is only counted -> floats. */
static long furnish(ensemble *j, const setting *s, int members, const int *sizes, const float *flat, float **h,
                    float *d_flat, int one, float *at)
{
    long count = 0, widest = 0, used = 0;
#define ROOM(floats) (used += (floats), at ? at + used - (floats) : 0)
    j->members = j->count = members, j->layers = s->hidden + 1, j->rows = s->batch, j->sizes = sizes, j->flat = flat;
    j->wanted = 1, j->wanted_x = 0, j->h = h, j->d_flat = d_flat;
    for (int i = 0; i <= j->layers; i++) {
        float *room = ROOM((long)(i ? members : 1) * s->batch * sizes[i]);
        if (!h[i]) h[i] = room;
        widest = widest > sizes[i] ? widest : sizes[i];
    }
    for (int i = 0; i < j->layers; i++) count += numbers(j, i);
    j->d_other = ROOM(one ? count : 0);
    j->grad = ROOM((long)members * s->batch * sizes[j->layers]);
    j->d[0] = ROOM(members * s->batch * widest);
    j->d[1] = ROOM(members * s->batch * widest);
    j->d_x = ROOM((long)members * s->batch * s->act);
    for (int part = 0; part < 2; part++) {
        const long wide = widest + WIDE, large = s->batch > wide ? s->batch : wide;
        j->space[part] = ROOM(large * wide + WIDE * wide);
    }
    return used;
}

void q_end(learner *l)
{
    if (l) free(l->memory);
    free(l);
}

/* A learner of these settings -> NULL where there is no memory for it. Ended with `q_end`. */
learner *q_begin(const setting *given)
{
    learner *l = calloc(1, sizeof *l);
    if (!l) return 0;
    l->s = *given;
    const setting *s = &l->s;
    const int n = s->batch, last = s->hidden + 1;
    l->actor_sizes[0] = s->obs, l->critic_sizes[0] = s->obs + s->act;
    for (int i = 0; i < s->hidden; i++) l->actor_sizes[i + 1] = l->critic_sizes[i + 1] = s->widths[i];
    l->actor_sizes[last] = (s->stochastic ? 2 : 1) * s->act, l->critic_sizes[last] = 1;
    for (int turn = 0; turn < 2; turn++) { /* count, then hand out */
        float *at = turn ? l->memory : 0;
        long used = 0;
        memset(l->actor_h, 0, sizeof l->actor_h), memset(l->next_h, 0, sizeof l->next_h);
        memset(l->critic_h, 0, sizeof l->critic_h);
        used += furnish(&l->actor, s, 1, l->actor_sizes, s->actor, l->actor_h, 0, 1, at ? at + used : 0);
        used += furnish(&l->next, s, 1, l->actor_sizes, s->next_actor, l->next_h, 0, 1, at ? at + used : 0);
        used += furnish(&l->critics, s, s->critics, l->critic_sizes, s->critic, l->critic_h, 0, s->critics == 1,
                        at ? at + used : 0);
        l->actor.d_flat = l->d_actor = ROOM(total(&l->actor));
        l->critics.d_flat = l->d_critic = ROOM(total(&l->critics));
        l->target = ROOM(n), l->log_prob = ROOM(n), l->spread = ROOM((long)n * s->act);
        l->log_std = ROOM((long)n * s->act), l->room = ROOM(2L * n * s->act);
        l->targets = l->critics;
        l->targets.flat = s->target_critic;
        if (!turn && !(l->memory = calloc(used, sizeof(float)))) {
            free(l);
            return 0;
        }
    }
    return l;
}
