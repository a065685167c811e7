#include "speed/rules.h"

#include <string.h>

/* Nominal bits and share of the bandwidth by the format's name; the first that is found in the scheme's name counts. */
static const struct {
    const char *mark;
    double bits;
    double share; /* whichllm 0.5: 0.55 at 4 bits, 0.45 at 8, 0.40 at 16 */
} marks[] = {
    {"BF16",  16, 0.40},
    {"F16",   16, 0.40},
    {"MXFP4", 4,  0.55},
    {"mxfp4", 4,  0.55},
    {"Q8",    8,  0.45},
    {"8bit",  8,  0.45},
    {"Q6",    6,  0.50},
    {"6bit",  6,  0.50},
    {"Q5",    5,  0.50},
    {"5bit",  5,  0.50},
    {"Q3",    3,  0.55},
    {"Q2",    2,  0.55},
};
enum { N_MARKS = sizeof marks / sizeof marks[0] };
#define OTHER_BITS 4.0
#define OTHER_SHARE 0.55

/* whichllm's factors of the backends */
static const double backend_share[] = {
    [MF_VENDOR_APPLE] = 0.82,
    [MF_VENDOR_NVIDIA] = 1,
    [MF_VENDOR_AMD] = 0.78,
    [MF_VENDOR_INTEL] = 0.65,
    [MF_VENDOR_OTHER] = 0.65,
};

static size_t mark_of(const char *quant)
{
    size_t i = 0;
    while (i < N_MARKS && !strstr(quant, marks[i].mark)) {
        i++;
    }
    return i;
}

static double read_weights(const mf_work *work)
{
    double sum = 0;
    for (size_t f = 0; f < MF_FORMAT_COUNT; f++) {
        sum += work->read_weights[f];
    }
    return sum;
}

double mf_published_decode(mf_published_rule rule, const mf_speed_row *row)
{
    const mf_vendor vendor = mf_chip_class_vendor(row->setting.chip_class);
    const size_t mark = mark_of(row->measurement->quant);
    const double bandwidth = row->peaks.bandwidth_bytes_per_s;
    const double roofline = bandwidth / row->work->read_bytes;
    switch (rule) {
    case MF_PUBLISHED_075: /* FitLLM, KV-planner */
        return 0.75 * roofline;
    case MF_PUBLISHED_055: { /* llmfit: half a byte per parameter at 4 bits */
        const double bits = mark < N_MARKS ? marks[mark].bits : OTHER_BITS;
        return 0.55 * bandwidth / (read_weights(row->work) * bits / 8);
    }
    case MF_PUBLISHED_VENDOR: /* canirun.ai */
        return (vendor == MF_VENDOR_APPLE ? 0.65 : 0.70) * roofline;
    case MF_PUBLISHED_QUANT: { /* whichllm */
        const double share = mark < N_MARKS ? marks[mark].share : OTHER_SHARE;
        return share * backend_share[vendor] * roofline;
    }
    case MF_PUBLISHED_ROOFLINE: /* gguf-parser, LLM-Viewer */
    case MF_PUBLISHED_COUNT:
        break;
    }
    return roofline;
}
