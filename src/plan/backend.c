#include "memfit/plan.h"

mf_backend mf_plan_backend(const mf_machine *machine)
{
    static const mf_backend by_vendor[] = {
        [MF_VENDOR_APPLE] = MF_BACKEND_METAL,
        [MF_VENDOR_NVIDIA] = MF_BACKEND_CUDA,
        [MF_VENDOR_AMD] = MF_BACKEND_ROCM,
        [MF_VENDOR_INTEL] = MF_BACKEND_VULKAN,
        [MF_VENDOR_OTHER] = MF_BACKEND_VULKAN,
    };
    const mf_device *device = machine->n_devices > 0 ? machine->devices[0].device : NULL;
    if (device == NULL || device->chip_class == MF_CLASS_CPU) {
        return MF_BACKEND_CPU;
    }
    const mf_vendor vendor = device->vendor == MF_VENDOR_OTHER
                                 ? mf_chip_class_vendor(device->chip_class)
                                 : device->vendor;
    return by_vendor[vendor];
}
