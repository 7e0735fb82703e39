#include "tests/ptx/fixture.hpp"

/// What a GPU would leave undefined is reported, with the instruction and its place.
namespace ptx::test {
namespace {

struct Fault {
  std::string name, body, report;
  Shape shape = {};
};

const std::string window = "  mov.u64 %rd4, dynamic;\n  add.u64 %rd5, %rd4, %offset;\n";

TEST(Faults, AreReported) {
  const Fault faults[] = {
      {"misaligned load of global memory", "  ld.global.u32 %r1, [%in+2];\n", "misaligned address"},
      {"misaligned vector", "  ld.global.v4.f32 {%r1, %r2, %r3, %r4}, [%in+8];\n", "misaligned address"},
      {"load beyond an allocation", "  add.u64 %rd1, %in, %offset;\n  ld.global.u32 %r1, [%rd1+16];\n",
       "lies in no allocation"},
      {"store over the end of an allocation", "  st.global.v2.u32 [%in+256], {%r0, %r0};\n",
       "go 4 bytes beyond an allocation of 260"},
      {"store before an allocation", "  st.global.u32 [%in+-4], %r0;\n", "lies in no allocation"},
      {"null pointer", "  mov.u64 %rd1, 0;\n  ld.global.u32 %r1, [%rd1];\n", "lies in no allocation"},
      {"generic address that leads nowhere", "  mov.u64 %rd1, 4096;\n  ld.u32 %r1, [%rd1];\n", "lies in no allocation"},
      {"atomic beyond an allocation", "  atom.global.add.u32 %r1, [%in+260], 1;\n", "lies in no allocation"},
      {"source of an asynchronous copy beyond an allocation",
       window + "  cvt.u32.u64 %r1, %rd4;\n  cp.async.ca.shared.global [%r1], [%in+260], 4;\n  cp.async.wait_all;\n",
       "lies in no allocation",
       {1, 32, 64}},
      {"misaligned asynchronous copy",
       window + "  cvt.u32.u64 %r1, %rd4;\n  cp.async.cg.shared.global [%r1+8], [%in], 16;\n  cp.async.wait_all;\n",
       "misaligned address",
       {1, 32, 64}},
      {"store beyond shared memory",
       window + "  st.shared.u64 [%rd5], %rd5;\n",
       "outside the block's 128 bytes",
       {1, 32, 128}},
      {"misaligned load of shared memory",
       window + "  st.shared.u64 [%rd4], 1;\n  ld.shared.u32 %r1, [%rd4+2];\n",
       "misaligned address",
       {1, 32, 128}},
      {"load of shared memory that nobody wrote",
       window + "  st.shared.u32 [%rd5], %r0;\n  ld.shared.u64 %rd6, [%rd5];\n",
       "which nobody has written",
       {1, 32, 256}},
      {"generic load of shared memory that nobody wrote",
       window + "  cvta.shared.u64 %rd6, %rd5;\n  ld.u32 %r1, [%rd6];\n",
       "which nobody has written",
       {1, 32, 256}},
      {"load before the wait for its copy",
       window +
           "  cvt.u32.u64 %r1, %rd4;\n  cp.async.ca.shared.global [%r1], [%in], 4;\n  ld.shared.u32 %r2, [%rd4];\n",
       "whose copy nobody has waited for",
       {1, 32, 64}},
      {"copy that nobody waits for",
       window + "  cvt.u32.u64 %r1, %rd4;\n  cp.async.ca.shared.global [%r1], [%in], 4;\n",
       "copies that nobody waited for",
       {1, 32, 64}},
      {"row of a matrix that nobody wrote",
       window + "  cvt.u32.u64 %r1, %rd4;\n  ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r2, %r3, %r4, %r5}, [%r1];\n",
       "which nobody has written",
       {1, 32, 512}},
      {"barriers of two halves of a warp",
       "  setp.lt.u32 %p1, %r0, 16;\n  @%p1 bra OTHER;\n  bar.sync 0;\n  bra END;\nOTHER:\n  bar.sync 0;\nEND:\n",
       "lanes wait for each other"},
      {"guarded barrier", "  setp.lt.u32 %p1, %r0, 16;\n  @%p1 bar.sync 0;\n", "a barrier that only some lanes"},
      {"barriers at two instructions",
       "  setp.lt.u32 %p1, %r0, 32;\n  @%p1 bra OTHER;\n  bar.sync 0;\n  bra END;\nOTHER:\n  bar.sync 1;\nEND:\n",
       "lanes that do not come",
       {1, 64}},
      {"barrier for more lanes than there are", "  bar.sync 0, 96;\n", "lanes that do not come", {1, 64}},
      {"shuffle by some lanes of its mask",
       "  setp.lt.u32 %p1, %r0, 16;\n  @%p1 bra OUT;\n  shfl.sync.bfly.b32 %r1, %r0, 1, 31, 0xffffffff;\nOUT:\n",
       "lanes wait for each other"},
      {"shuffle that waits for a barrier",
       "  setp.lt.u32 %p1, %r0, 16;\n  @%p1 bra OUT;\n  shfl.sync.bfly.b32 %r1, %r0, 1, 31, 0xffffffff;\n  bar.sync "
       "0;\n  bra END;\nOUT:\n  bar.sync 0;\nEND:\n",
       "lanes wait for each other"},
      {"shuffle from outside its mask",
       "  setp.ge.u32 %p1, %r0, 16;\n  @%p1 bra OUT;\n  shfl.sync.idx.b32 %r1, %r0, 20, 31, 0x0000ffff;\nOUT:\n",
       "which is not in the member mask"},
      {"lane outside its own mask", "  shfl.sync.idx.b32 %r1, %r0, 0, 31, 0x0000ffff;\n",
       "is not in its own member mask"},
      {"product of a warpgroup without a fence",
       "  wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%r1, %r2, %r3, %r4}, {%r5, %r6, %r7, %r8}, 0, 1, 1, 1, "
       "0;\n",
       "without wgmma.fence",
       {1, 128}},
      {"shared memory not published to a product",
       window + "  st.shared.u64 [%rd5], 0;\n  bar.sync 0;\n  wgmma.fence.sync.aligned;\n  "
                "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%r1, %r2, %r3, %r4}, {%r5, %r6, %r7, %r8}, 0, 1, "
                "1, 1, 0;\n  wgmma.commit_group.sync.aligned;\n  wgmma.wait_group.sync.aligned 0;\n",
       "without fence.proxy.async",
       {1, 128, 1024}},
      {"product that nobody waits for",
       window + "  st.shared.u64 [%rd5], 0;\n  fence.proxy.async.shared::cta;\n  bar.sync 0;\n  "
                "wgmma.fence.sync.aligned;\n  wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%r1, %r2, %r3, "
                "%r4}, {%r5, %r6, %r7, %r8}, 0, 1, 1, 1, 0;\n",
       "products that nobody waited for",
       {1, 128, 1024}},
      {"load before the wait for earlier kernels",
       "  ld.global.u32 %r1, [%in];\n  griddepcontrol.wait;\n",
       "before griddepcontrol.wait",
       {1, 32, 0, false, 1, true}},
      {"asynchronous copy before the wait for earlier kernels",
       window + "  cvt.u32.u64 %r1, %rd4;\n  cp.async.ca.shared.global [%r1], [%in], 4;\n  cp.async.wait_all;\n"
                "  griddepcontrol.wait;\n",
       "before griddepcontrol.wait",
       {1, 32, 64, false, 1, true}},
      {"early launch without a wait", "  mov.u32 %r1, 0;\n", "without griddepcontrol.wait", {1, 32, 0, false, 1, true}},
      {"trap", "  trap;\n", "trap"},
  };
  tested_forms().insert("trap");
  for (const Fault& fault : faults) {
    Memory in(260), out(512);
    const std::string report = run(kernel(fault.body), in, out, fault.shape);
    EXPECT_NE(report.find(fault.report), std::string::npos) << fault.name << ": '" << report << "'";
  }
}

TEST(Faults, TextThatIsNotUnderstoodIsNamed) {
  Memory in(8), out(8);
  EXPECT_EQ(run(kernel("  tensormap.replace.tile.rank.global.b1024.b32 [%in], 3;\n"), in, out),
            "ptx: the executor has no instruction of this form: `tensormap.replace.tile.rank.global.b1024.b32 [ %in ] "
            ", 3` in test");
  EXPECT_EQ(run(kernel("  add.u32 %r1, %r2, %nosuch;\n"), in, out),
            "ptx: unknown operand '%nosuch': `add.u32 %r1 , %r2 , %nosuch` in test");
  EXPECT_EQ(run(kernel("  add.sat.s32 %r1, %r2, %r3;\n"), in, out),
            "ptx: the executor has no instruction of this form: `add.sat.s32 %r1 , %r2 , %r3` in test");
}

}  // namespace
}  // namespace ptx::test
