#ifndef MF_STUBS_APPLE_OBJC_MESSAGE_H
#define MF_STUBS_APPLE_OBJC_MESSAGE_H
#include <objc/runtime.h>
void objc_msgSend(void);
#endif
