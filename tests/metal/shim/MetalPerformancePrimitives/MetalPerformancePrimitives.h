// Stand-in for Metal Performance Primitives' matmul2d, after our reading of Apple's documentation: the check on the device
// decides there.
#ifndef MF_SHIM_MPP
#define MF_SHIM_MPP

#include <metal_tensor>

extern "C" unsigned msl_thread(void);
extern "C" unsigned msl_threads(void);
extern "C" void msl_misuse(const char *what);

namespace mpp
{
namespace tensor_ops
{
struct matmul2d_descriptor {
    enum class mode { multiply, multiply_accumulate };
    int m, n, k;
    bool left, right, relaxed;
    mode md;
    constexpr matmul2d_descriptor(int m_,
                                  int n_,
                                  int k_ = -1,
                                  bool left_ = false,
                                  bool right_ = false,
                                  bool relaxed_ = false,
                                  mode md_ = mode::multiply)
        : m(m_), n(n_), k(k_), left(left_), right(right_), relaxed(relaxed_), md(md_)
    {
    }
};

template <matmul2d_descriptor D, typename S> struct matmul2d {
    template <typename A, typename B, typename C> void run(A &a, B &b, C &c) const
    {
        if (msl_threads() != 32u * S::count)
            msl_misuse("matmul2d: the dispatch has other SIMD-groups than the scope");
        metal::threadgroup_barrier(metal::mem_flags::mem_device);
        if (msl_thread() == 0)
            multiply(a, b, c);
        metal::threadgroup_barrier(metal::mem_flags::mem_device);
    }

  private:
    template <typename A, typename B, typename C> static void multiply(A &a, B &b, C &c)
    {
        int depth = D.left ? a.n1 : a.n0, rows = D.left ? a.n0 : a.n1,
            columns = D.right ? b.n1 : b.n0;
        if (D.k != -1 && depth > D.k)
            depth = D.k;
        if (rows > D.m)
            rows = D.m;
        if (columns > D.n)
            columns = D.n;
        if (depth != (D.right ? b.n0 : b.n1) && D.k == -1)
            msl_misuse("matmul2d: inner extents differ");
        for (int i = 0; i < rows && i < c.n1; i++)
            for (int j = 0; j < columns && j < c.n0; j++) {
                float s = D.md == matmul2d_descriptor::mode::multiply
                              ? 0.f
                              : (float)c.p[(long)i * c.row + j];
                for (int k = 0; k < depth; k++)
                    s += (float)(D.left ? a.p[(long)k * a.row + i] : a.p[(long)i * a.row + k]) *
                         (float)(D.right ? b.p[(long)j * b.row + k] : b.p[(long)k * b.row + j]);
                c.p[(long)i * c.row + j] = s;
            }
    }
};
} // namespace tensor_ops
} // namespace mpp

#endif
