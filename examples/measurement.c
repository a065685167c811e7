/* measurement.h: published speeds, with what their notes say. */
#include <stdio.h>
#include <string.h>

#include <memfit/measurement.h>

int main(void)
{
    static const char table[] =
        "device,engine,model,quant,test,tok_s,n_tokens,depth,trust,date,notes\n"
        "nvidia-rtx-3090,llama.cpp,qwen3-8b,Q4_K_M,tg,118.4,128,0,high,2026-02,FA on\n";
    mf_error err = {0};
    mf_measurements rows = {0};
    const mf_status status = mf_measurements_parse(&rows, table, strlen(table), "table.csv", &err);
    for (size_t i = 0; i < rows.n_items; i++) {
        const mf_measurement *row = &rows.items[i];
        printf("%s on %s, %s: %.1f tok/s, flash attention %s\n",
               row->model,
               row->device,
               mf_speed_test_name(row->test),
               row->tok_s,
               row->flash_attention ? "on" : "off");
    }
    if (status != MF_OK) {
        fprintf(stderr, "%s\n", err.message);
    }
    mf_measurements_free(&rows);
    return mf_status_exit_code(status);
}
