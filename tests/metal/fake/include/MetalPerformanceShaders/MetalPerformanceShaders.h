/* Stand-in for Apple's header: what src/calibrate/metal.m uses of it, and no more. */
#ifndef MF_FAKE_METAL_PERFORMANCE_SHADERS_H
#define MF_FAKE_METAL_PERFORMANCE_SHADERS_H

#import <Metal/Metal.h>

typedef enum MPSDataType : uint32_t {
    MPSDataTypeFloat16 = 0x10000000 | 16,
    MPSDataTypeFloat32 = 0x10000000 | 32
} MPSDataType;

extern BOOL MPSSupportsMTLDevice(id<MTLDevice> device);

@interface MPSMatrixDescriptor : NSObject {
  @public
    NSUInteger rows, columns, row_bytes;
    MPSDataType type;
}
+ (instancetype)matrixDescriptorWithRows:(NSUInteger)rows
                                 columns:(NSUInteger)columns
                                rowBytes:(NSUInteger)rowBytes
                                dataType:(MPSDataType)dataType;
@end

@interface MPSMatrix : NSObject {
  @public
    id<MTLBuffer> buffer;
    MPSMatrixDescriptor *descriptor;
}
- (instancetype)initWithBuffer:(id<MTLBuffer>)buffer descriptor:(MPSMatrixDescriptor *)descriptor;
@end

@interface MPSMatrixMultiplication : NSObject {
  @public
    NSUInteger rows, columns, depth;
}
- (instancetype)initWithDevice:(id<MTLDevice>)device
                 transposeLeft:(BOOL)transposeLeft
                transposeRight:(BOOL)transposeRight
                    resultRows:(NSUInteger)resultRows
                 resultColumns:(NSUInteger)resultColumns
               interiorColumns:(NSUInteger)interiorColumns
                         alpha:(double)alpha
                          beta:(double)beta;
- (void)encodeToCommandBuffer:(id<MTLCommandBuffer>)commandBuffer
                   leftMatrix:(MPSMatrix *)leftMatrix
                  rightMatrix:(MPSMatrix *)rightMatrix
                 resultMatrix:(MPSMatrix *)resultMatrix;
@end

#endif
