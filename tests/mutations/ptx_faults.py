"""Faults in what only nvcc sees: the PTX of kernels/device/*.cuh. Planted into the programs of tests/ptx."""

from faults import CHAIN, FORWARD, NEAREST, SEARCH, Fault, ops

PTX_OPS, PTX_WARPGROUPS = "ops_ptx_test", "warpgroup_ptx_test"
DEVICE = "kernels/device/"
MATRIX, COPY, SHARED, WARPGROUP = (DEVICE + name + ".cuh" for name in
                                   ("matrix_multiply", "async_copy", "shared_memory", "warpgroup_multiply"))
RESIDENT = (SEARCH + "resident_search.cu",)
DENSE_TESTS = "rounded_products.dense_forward"
SEARCH_TESTS = "search_paths.resident*"


def ptx(name, file, old, new, filter, units, program=PTX_OPS):
    return Fault(name, file, old, new, filter, units, program)


def warpgroup(name, old, new):
    return ptx(name, WARPGROUP, old, new, SEARCH_TESTS, RESIDENT, PTX_WARPGROUPS)


BF16_PRODUCT = '''{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\\n"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  ::emulator::multiply_bf16'''
TF32_PRODUCT = BF16_PRODUCT.replace("multiply_bf16", "multiply_tf32")

PTX_FAULTS = [
    # ---- products of a warp
    ptx("halves of a bf16 pair swapped", MATRIX, '"f"(high), "f"(low)', '"f"(low), "f"(high)', SEARCH_TESTS, RESIDENT),
    ptx("bf16 rounded towards zero", MATRIX, "cvt.rn.bf16x2", "cvt.rz.bf16x2", DENSE_TESTS, (FORWARD,)),
    ptx("tf32 not rounded", MATRIX, "cvt.rna.tf32.f32 %0, %1;", "mov.b32 %0, %1;", DENSE_TESTS, (FORWARD,)),
    ptx("rows of A swapped (bf16)", MATRIX, BF16_PRODUCT, BF16_PRODUCT.replace("{%4,%5,%6,%7}", "{%5,%4,%7,%6}"),
        DENSE_TESTS, (FORWARD,)),
    ptx("registers of B swapped (bf16)", MATRIX, BF16_PRODUCT, BF16_PRODUCT.replace("{%8,%9}", "{%9,%8}"), DENSE_TESTS,
        (FORWARD,)),
    ptx("columns of A swapped (tf32)", MATRIX, TF32_PRODUCT, TF32_PRODUCT.replace("{%4,%5,%6,%7}", "{%6,%7,%4,%5}"),
        DENSE_TESTS, (FORWARD,)),
    ptx("registers of B swapped (tf32)", MATRIX, TF32_PRODUCT, TF32_PRODUCT.replace("{%8,%9}", "{%9,%8}"), DENSE_TESTS,
        (FORWARD,)),
    ptx("sums swapped (tf32)", MATRIX, TF32_PRODUCT, TF32_PRODUCT.replace("{%0,%1,%2,%3};", "{%2,%1,%0,%3};"),
        DENSE_TESTS, (FORWARD,)),
    # ---- matrices out of shared memory
    ptx("matrix not transposed", MATRIX, "x4.trans.shared", "x4.shared", SEARCH_TESTS, RESIDENT),
    ptx("matrix transposed", MATRIX, "m8n8.x4.shared", "m8n8.x4.trans.shared", SEARCH_TESTS, RESIDENT),
    ptx("matrices in another order", MATRIX, '''m8n8.x4.shared.b16 {%0,%1,%2,%3}''', '''m8n8.x4.shared.b16 {%0,%2,%1,%3}''',
        SEARCH_TESTS, RESIDENT),
    # ---- asynchronous copies
    ptx("16 bytes not filled with zeros", COPY, "valid ? 16 : 0", "valid ? 16 : 16", DENSE_TESTS, (FORWARD,)),
    ptx("4 bytes not filled with zeros", COPY, "valid ? 4 : 0", "valid ? 4 : 4", DENSE_TESTS, (FORWARD,)),
    ptx("16 bytes cut short", COPY, "valid ? 16 : 0", "valid ? 12 : 0", DENSE_TESTS, (FORWARD,)),
    ptx("groups of copies never closed", COPY, "cp.async.commit_group;", "", DENSE_TESTS, (FORWARD,)),
    ptx("wait leaves one group too many under way", COPY, '"n"(pending)', '"n"(pending + 1)', DENSE_TESTS, (FORWARD,)),
    ptx("kernels launched early do not wait for those before them", DEVICE + "runtime.cuh",
        'asm volatile("griddepcontrol.wait;" ::: "memory");', "", "Launches.Joined*", (CHAIN,), "launches_ptx_test"),
    # ---- shared memory
    ptx("arrays of shared memory on top of each other", SHARED, "(base_ + at)", "(base_)", ops("nearest_rows"), (NEAREST,)),
    ptx("arrays of shared memory misaligned", SHARED, "(base_ + at)", "(base_ + at + 4)", DENSE_TESTS, (FORWARD,)),
    # ---- products of a warpgroup
    warpgroup("registers that a product of a warpgroup reads not fenced", "wgmma.fence.sync.aligned;", ""),
    warpgroup("shared memory not published to warpgroups", "fence.proxy.async.shared::cta;", ""),
    warpgroup("products of a warpgroup not waited for", "wgmma.wait_group.sync.aligned 0;", ""),
    warpgroup("one group of products too many under way", "wait_group.sync.aligned 0;", "wait_group.sync.aligned 1;"),
    warpgroup("operand of a warpgroup along the wrong side",
              '"r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "n"(n_major ? 1 : 0));\n  } else if constexpr (tiles == 16)',
              '"r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "n"(n_major ? 0 : 1));\n  } else if constexpr (tiles == 16)'),
    warpgroup("rows of A swapped (warpgroup)", "}, {%32, %33, %34, %35}, %36", "}, {%33, %32, %35, %34}, %36"),
]
