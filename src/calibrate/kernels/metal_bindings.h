/* What the Metal kernels and metal.m agree on. It is text for two compilers: only #define and no types of its own. */
#ifndef MF_CALIBRATE_KERNELS_METAL_BINDINGS_H
#define MF_CALIBRATE_KERNELS_METAL_BINDINGS_H

/* Buffers: what is read, what it is combined with, what is written, the numbers. */
#define MF_BIND_A 0
#define MF_BIND_B 1
#define MF_BIND_OUT 2
#define MF_BIND_ARGS 3

/* Threadgroup memory. */
#define MF_GROUP_A 0
#define MF_GROUP_B 1

#define MF_SIMD_WIDTH 32
#define MF_GROUP_THREADS 128 /* 4 SIMD-groups: every kernel but the streams */
#define MF_STREAM_THREADS 256
#define MF_TILE 64      /* rows and columns of a product's threadgroup */
#define MF_DEPTH_F16 32 /* of a product's step */
#define MF_DEPTH_F32 16
#define MF_ROWS_PER_SIMD 4 /* of a matrix times a vector */
#define MF_ROWS_PER_GROUP 16
#define MF_HEAD 128       /* weights of an attention head */
#define MF_KV_BLOCK 256   /* positions of a threadgroup */
#define MF_KV_PARTIAL 130 /* sum, maximum, and the head's weighted values */
#define MF_SPIN_CHAINS 8

#endif
