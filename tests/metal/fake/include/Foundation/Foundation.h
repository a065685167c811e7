/* Stand-in for Apple's header: what src/calibrate/metal.m uses of it, and no more. */
#ifndef MF_FAKE_FOUNDATION_H
#define MF_FAKE_FOUNDATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef unsigned long NSUInteger;
typedef long NSInteger;
typedef double CFTimeInterval;
typedef signed char BOOL;
#define YES ((BOOL)1)
#define NO ((BOOL)0)
#define nil ((id)0)

@protocol NSObject
- (id)retain;
- (oneway void)release;
- (id)autorelease;
@end

__attribute__((objc_root_class)) @interface NSObject <NSObject> {
  @public
    void *isa;
    long references;
}
+ (id)alloc;
+ (id)new;
- (id)init;
- (void)dealloc;
@end

@interface NSString : NSObject {
    char *text;
}
+ (instancetype)stringWithUTF8String:(const char *)text;
@property(readonly) const char *UTF8String;
@end

@interface NSError : NSObject {
    NSString *words;
}
@property(readonly, copy) NSString *localizedDescription;
@end

@interface NSArray<Item> : NSObject {
    id only;
}
@property(readonly) NSUInteger count;
- (Item)objectAtIndex:(NSUInteger)index;
@end

typedef struct {
    NSInteger majorVersion, minorVersion, patchVersion;
} NSOperatingSystemVersion;
typedef enum NSProcessInfoThermalState : NSInteger { NSProcessInfoThermalStateNominal } NSProcessInfoThermalState;

@interface NSProcessInfo : NSObject
@property(class, readonly, strong) NSProcessInfo *processInfo;
@property(readonly) NSOperatingSystemVersion operatingSystemVersion;
@property(readonly) NSProcessInfoThermalState thermalState;
@property(readonly, getter=isLowPowerModeEnabled) BOOL lowPowerModeEnabled;
@end

#endif
