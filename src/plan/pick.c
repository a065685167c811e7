#include "plan/pick.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/num.h"
#include "base/str.h"

bool mf_plan_is_usual(const mf_quant *quant)
{
    static const char *const usual[] = {"F16",
                                        "BF16",
                                        "Q8_0",
                                        "Q6_K",
                                        "Q5_K_M",
                                        "Q4_K_M",
                                        "Q4_K_S",
                                        "IQ4_XS",
                                        "Q3_K_M",
                                        "IQ3_XXS",
                                        "Q2_K",
                                        "IQ2_M",
                                        "IQ2_XXS",
                                        "IQ1_M",
                                        "MXFP4_MOE"};
    for (size_t i = 0; quant != NULL && i < sizeof usual / sizeof usual[0]; i++) {
        if (strcmp(usual[i], quant->id) == 0) {
            return true;
        }
    }
    return quant == NULL || quant->family == MF_QUANT_MLX || quant->family == MF_QUANT_TENSOR;
}

uint64_t mf_plan_wished_context(const mf_plan_request *r)
{
    return r->wish.n_ctx > 0 ? r->wish.n_ctx : r->workload.n_ctx;
}

/* Longer contexts than a model was trained for fit, and are no use. */
bool mf_plan_is_trained_for(const mf_plan_request *r)
{
    const uint64_t streams = mf_workload_streams(&r->workload);
    return r->model->context_max == 0 ||
           mf_plan_wished_context(r) / streams <= r->model->context_max;
}

static bool fast_enough(const mf_choice *c, const mf_wish *wish)
{
    return !(wish->min_tok_s > 0) || (c->decode.known && c->decode.tok_s >= wish->min_tok_s);
}

static bool starts_soon_enough(const mf_choice *c, const mf_wish *wish)
{
    return !(wish->max_ttft_s > 0) || (c->ttft.known && c->ttft.s <= wish->max_ttft_s);
}

/* Of most weights; as stored: all that the file has. */
static double bits_of(const mf_plan_request *r, size_t index)
{
    const mf_quant *quant = r->quants[index];
    if (quant == NULL) {
        return 16;
    }
    const mf_tensor_type_info *info = mf_tensor_type_get(quant->base);
    return 8.0 * info->block_bytes / info->block_elements;
}

/* A limit that nobody asked for lets pass what nobody measured, from four bits on: below them every measured scheme of
   plain rounding loses more than it. */
static bool is_small_enough(const mf_loss *loss, const mf_plan_request *r, size_t quant)
{
    static const double least_bits = 4;
    const mf_wish *wish = &r->wish;
    if (!(wish->max_divergence > 0)) {
        return true;
    }
    return loss->known ? loss->divergence <= wish->max_divergence
                       : wish->usual_divergence && bits_of(r, quant) >= least_bits;
}

static bool good_enough(const mf_choice *c, const mf_plan_request *r)
{
    return is_small_enough(&c->loss, r, c->quant);
}

bool mf_plan_grants_loss(const mf_plan_request *r, size_t quant)
{
    const mf_loss loss = mf_plan_loss(r->qualities, r->quants[quant], r->model);
    return is_small_enough(&loss, r, quant);
}

/* How finely the cache is kept: 16 bit before 8 before 4. */
static double kv_width(const mf_choice *c)
{
    const mf_tensor_type_info *info = mf_tensor_type_get(c->workload.kv_type_v);
    return (double)info->block_bytes / info->block_elements;
}

/* Not worse in quality? Where nobody measured, only the same scheme can be compared. */
static bool as_good(const mf_choice *a, const mf_choice *b)
{
    if (kv_width(a) < kv_width(b) - 1e-9) {
        return false;
    }
    if (a->engine == b->engine && a->quant == b->quant) {
        return true;
    }
    return a->loss.known && b->loss.known && a->loss.divergence <= b->loss.divergence;
}

static double speed_of(const mf_choice *c)
{
    return c->decode.known ? c->decode.tok_s : 0;
}

static bool beats(const mf_choice *a, const mf_choice *b)
{
    const double slack = 1e-9;
    const bool not_worse = a->workload.n_ctx >= b->workload.n_ctx &&
                           speed_of(a) >= speed_of(b) * (1 - slack) && as_good(a, b);
    if (!not_worse) {
        return false;
    }
    return a->workload.n_ctx > b->workload.n_ctx || speed_of(a) > speed_of(b) * (1 + slack) ||
           !as_good(b, a);
}

static void mark_front(mf_plan_result *r)
{
    for (size_t i = 0; i < r->n_choices; i++) {
        mf_choice *c = &r->choices[i];
        c->on_front = c->fits;
        for (size_t k = 0; c->on_front && k < r->n_choices; k++) {
            c->on_front = !(r->choices[k].fits && beats(&r->choices[k], c));
        }
    }
}

bool mf_plan_is_held_well(const mf_choice *c, const mf_plan_request *r)
{
    return c->fits && !c->offloaded && (r->fixed_kv || kv_width(c) >= 1);
}

static bool has_small_loss(const mf_choice *c)
{
    return c->loss.known && c->loss.divergence <= MF_PLAN_SMALL_LOSS;
}

/* Loss as far as it weighs. */
static double loss_of(const mf_choice *c)
{
    return c->loss.divergence <= MF_PLAN_NO_LOSS ? 0 : c->loss.divergence;
}

/* The Q8_0 file of gpt-oss is the one that people know as MXFP4. */
static bool is_named_as_published(const mf_choice *c, const mf_plan_request *r)
{
    const mf_quant *quant = r->quants[c->quant];
    return quant != NULL && quant->base == MF_TYPE_MXFP4;
}

/* Is a the better pick? `fast`: speed counts once the loss is small; otherwise quality counts first. */
static bool better(const mf_choice *a, const mf_choice *b, const mf_plan_request *r, bool fast)
{
    const bool small_a = has_small_loss(a);
    const bool small_b = has_small_loss(b);
    if (a->loss.known != b->loss.known) {
        return a->loss.known;
    }
    if (fast && (small_a != small_b)) {
        return small_a;
    }
    /* Parts in host memory are for what does not lose little whole, with a cache that is not the coarsest. */
    const bool whole_a = small_a && mf_plan_is_held_well(a, r);
    const bool whole_b = small_b && mf_plan_is_held_well(b, r);
    if (whole_a != whole_b) {
        return whole_a;
    }
    /* What a coarser cache loses nobody measured: it is not paid for weights that lose a little less. */
    if (!fast && small_a && small_b && fabs(kv_width(a) - kv_width(b)) > 1e-9) {
        return kv_width(a) > kv_width(b);
    }
    if (!a->loss.known && fabs(bits_of(r, a->quant) - bits_of(r, b->quant)) > 1e-9) {
        return bits_of(r, a->quant) > bits_of(r, b->quant);
    }
    const bool by_speed = fast && small_a && small_b;
    if (!by_speed && fabs(loss_of(a) - loss_of(b)) > 1e-9) {
        return loss_of(a) < loss_of(b);
    }
    if (fabs(kv_width(a) - kv_width(b)) > 1e-9) {
        return kv_width(a) > kv_width(b);
    }
    if (fabs(speed_of(a) - speed_of(b)) <= 1e-9 * speed_of(b)) {
        return is_named_as_published(a, r) && !is_named_as_published(b, r);
    }
    return speed_of(a) > speed_of(b);
}

/* Nearest to a wish is not what gives up all quality for it, where nobody spoke of quality. */
static bool is_of_use(const mf_choice *c, const mf_plan_request *r)
{
    mf_plan_request usual = *r;
    if (!(r->wish.max_divergence > 0)) {
        usual.wish.max_divergence = MF_PLAN_USUAL_LIMIT;
        usual.wish.usual_divergence = true;
    }
    return good_enough(c, &usual);
}

/* Missed wishes weigh most, then how far the speed falls short. */
static double shortfall(const mf_choice *c, const mf_plan_request *r)
{
    const mf_wish *wish = &r->wish;
    double sum = 0;
    if (!c->fits || c->workload.n_ctx < mf_plan_wished_context(r)) {
        sum += 100;
    }
    if (!fast_enough(c, wish)) {
        sum += 1 + log(wish->min_tok_s / fmax(1e-6, speed_of(c)));
    }
    if (!starts_soon_enough(c, wish)) {
        sum += 1 + (c->ttft.known ? log(c->ttft.s / wish->max_ttft_s) : 10);
    }
    if (!is_of_use(c, r)) {
        sum += 1;
    }
    if (!good_enough(c, r)) {
        sum += 1 + (c->loss.known ? log(c->loss.divergence / wish->max_divergence) : 1);
    }
    return sum;
}

bool mf_plan_by_speed(const mf_plan_request *r)
{
    const mf_wish *wish = &r->wish;
    return !(wish->min_tok_s > 0) && !(wish->max_ttft_s > 0) &&
           (wish->usual_divergence || !(wish->max_divergence > 0));
}

/* What a choice misses, as people say it. */
static void tell_missed(mf_str *out, const mf_choice *c, const mf_plan_request *r)
{
    const mf_wish *wish = &r->wish;
    char has[MF_NUMBER_SIZE];
    char wished[MF_NUMBER_SIZE];
    const size_t begin = out->size;
    if (!mf_plan_is_trained_for(r)) {
        mf_str_printf(out, ", trained for %" PRIu64 " tokens", r->model->context_max);
    }
    if (!fast_enough(c, wish) && c->decode.known) {
        mf_str_printf(out,
                      ", %s of %s tok/s",
                      mf_number_text(has, c->decode.tok_s, 3),
                      mf_number_text(wished, wish->min_tok_s, 3));
    } else if (!fast_enough(c, wish)) {
        mf_str_add(out, ", its speed is not known");
    }
    if (!starts_soon_enough(c, wish) && c->ttft.known) {
        mf_str_printf(out,
                      ", first token after %s of %s s",
                      mf_number_text(has, c->ttft.s, 2),
                      mf_number_text(wished, wish->max_ttft_s, 2));
    } else if (!starts_soon_enough(c, wish)) {
        mf_str_add(out, ", its first token is not known");
    }
    if (!good_enough(c, r)) {
        if (c->loss.known) {
            mf_str_printf(out,
                          ", a loss of %s, not %s",
                          mf_number_text(has, c->loss.divergence, 2),
                          mf_number_text(wished, wish->max_divergence, 2));
        } else {
            mf_str_add(out, ", nobody measured its loss");
        }
    }
    if (out->data != NULL && out->size > begin) {
        out->data[begin] = ':';
    }
}

static bool may_be_slow(const mf_wish *wish, const mf_choice *choice)
{
    const mf_rate *rate = &choice->decode;
    return wish->min_tok_s > 0 && rate->known && rate->low_tok_s < wish->min_tok_s;
}

static bool may_be_late(const mf_wish *wish, const mf_choice *choice)
{
    const mf_duration *first = &choice->ttft;
    return wish->max_ttft_s > 0 && first->known && first->high_s > wish->max_ttft_s;
}

bool mf_plan_is_sure(const mf_wish *wish, const mf_choice *choice)
{
    return !may_be_slow(wish, choice) && !may_be_late(wish, choice);
}

const char *
mf_plan_doubt(char out[MF_PLAN_DOUBT_SIZE], const mf_wish *wish, const mf_choice *choice)
{
    char may[MF_NUMBER_SIZE];
    char wished[MF_NUMBER_SIZE];
    const mf_rate *rate = &choice->decode;
    const mf_duration *first = &choice->ttft;
    const bool slow = may_be_slow(wish, choice);
    const bool late = may_be_late(wish, choice);
    int n = 0;
    out[0] = '\0';
    if (slow) {
        n = snprintf(out,
                     MF_PLAN_DOUBT_SIZE,
                     "it may reach only %.40s of the wished %.40s tok/s",
                     mf_number_text(may, rate->low_tok_s, 2),
                     mf_number_text(wished, wish->min_tok_s, 3));
    }
    if (late) {
        (void)snprintf(out + n,
                       MF_PLAN_DOUBT_SIZE - (size_t)n,
                       "%sthe first token may take %.40s of %.40s s",
                       slow ? " and " : "",
                       mf_number_text(may, first->high_s, 2),
                       mf_number_text(wished, wish->max_ttft_s, 3));
    }
    return out;
}

/* Among the wished context's choices: larger contexts of a scheme only repeat it. */
static bool is_candidate(const mf_choice *c, const mf_plan_request *r)
{
    return c->fits && c->workload.n_ctx == mf_plan_wished_context(r);
}

/* Something with parts in host memory grants the wishes too, at whatever loss. */
static const char *whole_words(const mf_plan_result *r)
{
    bool any = false;
    for (size_t i = 0; i < r->n_choices; i++) {
        any = any || (r->choices[i].offloaded && r->choices[i].meets);
    }
    return any && !r->choices[r->pick].offloaded ? " with the whole model on the GPU" : "";
}

/* The fastest of which: of all with a small loss, unless one of them with a coarser cache is faster still. */
static const char *fastest_words(const mf_plan_result *r, const mf_plan_request *request)
{
    const mf_choice *pick = &r->choices[r->pick];
    bool faster = false;
    for (size_t i = 0; i < r->n_choices; i++) {
        const mf_choice *c = &r->choices[i];
        faster = faster || (is_candidate(c, request) && c->meets && has_small_loss(c) &&
                            speed_of(c) > speed_of(pick) * (1 + 1e-9));
    }
    if (!faster) {
        return "";
    }
    return kv_width(pick) < 2 ? " held whole with an 8 bit cache" : " with a 16 bit cache";
}

static void explain(mf_plan_result *r, const mf_plan_request *request)
{
    char number[MF_NUMBER_SIZE];
    const mf_choice *c = &r->choices[r->pick];
    const bool small = has_small_loss(c);
    if (!r->pick_meets) {
        mf_str text = {0};
        mf_str_add(&text, "not every wish is granted");
        tell_missed(&text, c, request);
        (void)snprintf(r->reason, sizeof r->reason, "%s", text.data != NULL ? text.data : "");
        mf_str_free(&text);
    } else if (!c->loss.known) {
        (void)snprintf(r->reason,
                       sizeof r->reason,
                       "the finest that %s; nobody measured what these schemes lose",
                       mf_plan_by_speed(request) ? "fits" : "grants every wish");
    } else if (mf_plan_by_speed(request) && !c->decode.known) {
        (void)snprintf(
            r->reason, sizeof r->reason, "the least loss of those that fit; no speed is known");
    } else if (mf_plan_by_speed(request) && small) {
        (void)snprintf(r->reason,
                       sizeof r->reason,
                       "the fastest%s whose loss is small (divergence up to %s, about Q4_K_M's)",
                       fastest_words(r, request),
                       mf_number_text(number, MF_PLAN_SMALL_LOSS, 2));
    } else if (mf_plan_by_speed(request)) {
        const bool coarse = c->loss.divergence > MF_PLAN_USUAL_LIMIT;
        (void)snprintf(r->reason,
                       sizeof r->reason,
                       "the least loss of those that fit%s",
                       coarse ? ", and a large one: a smaller model may answer better" : "");
    } else if (c->loss.divergence <= MF_PLAN_NO_LOSS) {
        (void)snprintf(r->reason,
                       sizeof r->reason,
                       "the fastest that loses next to nothing (divergence up to %s) of those that "
                       "grant every wish%s",
                       mf_number_text(number, MF_PLAN_NO_LOSS, 2),
                       whole_words(r));
    } else {
        (void)snprintf(r->reason,
                       sizeof r->reason,
                       "the least loss of those that grant every wish%s",
                       whole_words(r));
    }
}

static void add_doubt(mf_plan_result *r, const mf_plan_request *request)
{
    char doubt[MF_PLAN_DOUBT_SIZE];
    const size_t n = strlen(r->reason);
    if (r->pick_meets && !mf_plan_is_sure(&request->wish, &r->choices[r->pick])) {
        (void)mf_plan_doubt(doubt, &request->wish, &r->choices[r->pick]);
        (void)snprintf(r->reason + n, sizeof r->reason - n, "; %s", doubt);
    }
}

static void choose(mf_plan_result *r, const mf_plan_request *request)
{
    r->pick = r->n_choices;
    for (size_t i = 0; i < r->n_choices; i++) {
        mf_choice *c = &r->choices[i];
        c->meets = c->fits && c->workload.n_ctx >= mf_plan_wished_context(request) &&
                   mf_plan_is_trained_for(request) && fast_enough(c, &request->wish) &&
                   starts_soon_enough(c, &request->wish) && good_enough(c, request);
        if (!is_candidate(c, request)) {
            continue;
        }
        const mf_choice *best = r->pick < r->n_choices ? &r->choices[r->pick] : NULL;
        bool take = best == NULL;
        if (best != NULL && c->meets != best->meets) {
            take = c->meets;
        } else if (best != NULL && c->meets) {
            take = better(c, best, request, mf_plan_by_speed(request));
        } else if (best != NULL) {
            const double gap = shortfall(c, request) - shortfall(best, request);
            take = gap < -1e-9 || (gap < 1e-9 && better(c, best, request, true));
        }
        r->pick = take ? i : r->pick;
    }
    r->pick_meets = r->pick < r->n_choices && r->choices[r->pick].meets;
}

void mf_plan_judge(mf_plan_result *result, const mf_plan_request *request)
{
    mark_front(result);
    choose(result, request);
    if (result->pick < result->n_choices) {
        explain(result, request);
        add_doubt(result, request);
    } else {
        (void)snprintf(result->reason, sizeof result->reason, "nothing fits");
    }
}
