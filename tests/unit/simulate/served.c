#include "served.h"

#include <criterion/criterion.h>
#include <stdio.h>

served_case open_case(const char *model, const char *quant, const char *machine, const char *engine)
{
    const char *const folders[] = {MF_SOURCE_DIR};
    char path[512];
    served_case c = {0};
    cr_assert(mf_database_open(&c.database, folders, 1, NULL) == MF_OK);
    cr_assert(mf_database_model(&c.model, c.database, model, NULL) == MF_OK);
    cr_assert(mf_database_quant(&c.quant, c.database, quant, NULL) == MF_OK);
    cr_assert(mf_database_machine(&c.machine, c.database, machine, NULL) == MF_OK);
    cr_assert(mf_database_engine(&c.engine, c.database, engine, NULL) == MF_OK);
    (void)snprintf(path,
                   sizeof path,
                   "%s/hwdb/calibration/%s.json",
                   MF_SOURCE_DIR,
                   mf_engine_name(c.engine->id));
    if (c.engine->id != MF_ENGINE_VLLM) {
        cr_assert(mf_calibration_load(&c.calibration, path, NULL) == MF_OK);
    }
    c.run = (mf_case){.model = c.model,
                      .quant = c.quant,
                      .machine = c.machine,
                      .engine = c.engine,
                      .backend = c.machine->devices[0].device->vendor == MF_VENDOR_APPLE
                                     ? MF_BACKEND_METAL
                                     : MF_BACKEND_CUDA,
                      .workload = c.engine->defaults};
    return c;
}

void close_case(served_case *c)
{
    mf_calibration_free(c->calibration);
    mf_quant_free(c->quant);
    mf_engine_free(c->engine);
    mf_machine_free(c->machine);
    mf_model_free(c->model);
    mf_database_close(c->database);
}

mf_simulation serve(const served_case *c, mf_serving serving, mf_requests *requests)
{
    mf_error err = {0};
    mf_simulation s = {0};
    const mf_simulation_run run = {
        .run = &c->run, .calibration = c->calibration, .serving = serving, .requests = requests};
    const mf_status status = mf_simulate(&s, &run, &err);
    cr_assert(status == MF_OK, "%s", err.message);
    mf_requests_free(requests);
    return s;
}

mf_requests *draw_requests(mf_open_load load)
{
    mf_requests *requests = NULL;
    cr_assert(mf_requests_draw(&requests, &load, NULL) == MF_OK);
    return requests;
}
