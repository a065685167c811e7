/* audit.h: can 45 tokens a second of a 40 GB model be true on 400 GB/s, where 8.7 are expected? */
#include <stdio.h>

#include <memfit/audit.h>

int main(void)
{
    const double read_bytes = 40e9; /* per token: all of a dense model's weights */
    const double bytes_per_s = 400e9;
    const mf_claim claim = {.tok_s = 45, .n_sequences = 1, .tokens_per_step = 1};
    const mf_audit audit =
        mf_audit_claim(claim,
                       (mf_audit_ground){.bytes_per_s = bytes_per_s,
                                         .ceiling_tok_s = bytes_per_s / read_bytes,
                                         .expected_tok_s = 8.7,
                                         .high_tok_s = 9.5});
    printf("grade %c: %.0f GB/s would be read, %.1f times what the memory gives\n",
           audit.grade,
           audit.needed_bytes_per_s / 1e9,
           audit.share_of_peak);
    printf("possible with %.1f accepted tokens a step\n", audit.least_tokens_per_step);
    return 0;
}
