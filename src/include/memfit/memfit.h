/*
 * memfit.h - everything at once, and the library as a whole.
 *
 * facts (database, import, machine, model, quant, engine, workload) -> memory -> predict -> simulate: each header stands alone, so
 * include only the ones you use if you prefer.
 */
#ifndef MF_MEMFIT_MEMFIT_H
#define MF_MEMFIT_MEMFIT_H

#include "memfit/adapter.h"
#include "memfit/audit.h"
#include "memfit/calibration.h"
#include "memfit/cost.h"
#include "memfit/cost_setup.h"
#include "memfit/database.h"
#include "memfit/detect.h"
#include "memfit/engine.h"
#include "memfit/fact.h"
#include "memfit/import.h"
#include "memfit/llamacpp_fit.h"
#include "memfit/machine.h"
#include "memfit/measurement.h"
#include "memfit/memory.h"
#include "memfit/model.h"
#include "memfit/placement.h"
#include "memfit/plan.h"
#include "memfit/predict.h"
#include "memfit/price.h"
#include "memfit/probe.h"
#include "memfit/quant.h"
#include "memfit/record.h"
#include "memfit/runs.h"
#include "memfit/simulate.h"
#include "memfit/status.h"
#include "memfit/step.h"
#include "memfit/tensor_type.h"
#include "memfit/validation.h"
#include "memfit/vllm.h"
#include "memfit/workload.h"

#ifdef __cplusplus
extern "C" {
#endif

/* "0.1.0": the library that runs, which may be newer than these headers. Static storage. Thread-safe. */
MF_API const char *mf_version(void);

/* Call once, before the library is used: it turns off GSL's error handler, which would otherwise end the process where
   this library returns a status. GSL has one handler for the whole process, so a program that sets its own sets it
   after this call. Not thread-safe. */
MF_API void mf_init(void);

#ifdef __cplusplus
}
#endif

#endif
