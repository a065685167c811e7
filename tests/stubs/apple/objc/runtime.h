#ifndef MF_STUBS_APPLE_OBJC_RUNTIME_H
#define MF_STUBS_APPLE_OBJC_RUNTIME_H
typedef struct fake_object *id;
typedef const struct fake_selector *SEL;
SEL sel_registerName(const char *name);
#endif
