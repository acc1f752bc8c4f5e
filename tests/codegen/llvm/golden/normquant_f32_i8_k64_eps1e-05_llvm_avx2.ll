; ModuleID = 'normquant_f32_i8_k64_eps1e-05_llvm_avx2'
source_filename = "normquant_f32_i8_k64_eps1e-05_llvm_avx2"
target datalayout = "e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-i128:128-f80:128-n8:16:32:64-S128"
target triple = "x86_64-pc-linux-gnu"

; Function Attrs: nounwind
define void @normquant_f32_i8_k64_eps1e-05_llvm_avx2(ptr %args, ptr %context) #0 {
entry:
  %0 = getelementptr inbounds i8, ptr %args, i64 0
  %x_row = load ptr, ptr %0, align 8
  %1 = getelementptr inbounds i8, ptr %args, i64 8
  %w_row = load ptr, ptr %1, align 8
  %2 = getelementptr inbounds i8, ptr %args, i64 16
  %q_row = load ptr, ptr %2, align 8
  %3 = getelementptr inbounds i8, ptr %args, i64 24
  %scale_out = load ptr, ptr %3, align 8
  %4 = getelementptr inbounds i8, ptr %args, i64 32
  %sum_out = load ptr, ptr %4, align 8
  %5 = getelementptr inbounds i8, ptr %args, i64 40
  %normed_row = load ptr, ptr %5, align 8
  br label %sum_squares

sum_squares:                                      ; preds = %sum_squares, %entry
  %column = phi i64 [ 0, %entry ], [ %next_column, %sum_squares ]
  %carried = phi <64 x float> [ zeroinitializer, %entry ], [ %lanes, %sum_squares ]
  %6 = getelementptr inbounds float, ptr %x_row, i64 %column
  %x = load <64 x float>, ptr %6, align 4
  %lanes = call <64 x float> @llvm.fma.v64f32(<64 x float> %x, <64 x float> %x, <64 x float> %carried)
  %next_column = add i64 %column, 64
  %7 = icmp ult i64 %next_column, 64
  br i1 %7, label %sum_squares, label %sum_squares_rest

sum_squares_rest:                                 ; preds = %sum_squares
  br label %fold

fold:                                             ; preds = %sum_squares_rest
  %8 = shufflevector <64 x float> %lanes, <64 x float> poison, <32 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15, i32 16, i32 17, i32 18, i32 19, i32 20, i32 21, i32 22, i32 23, i32 24, i32 25, i32 26, i32 27, i32 28, i32 29, i32 30, i32 31>
  %9 = shufflevector <64 x float> %lanes, <64 x float> poison, <32 x i32> <i32 32, i32 33, i32 34, i32 35, i32 36, i32 37, i32 38, i32 39, i32 40, i32 41, i32 42, i32 43, i32 44, i32 45, i32 46, i32 47, i32 48, i32 49, i32 50, i32 51, i32 52, i32 53, i32 54, i32 55, i32 56, i32 57, i32 58, i32 59, i32 60, i32 61, i32 62, i32 63>
  %10 = fadd <32 x float> %8, %9
  %11 = shufflevector <32 x float> %10, <32 x float> poison, <16 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %12 = shufflevector <32 x float> %10, <32 x float> poison, <16 x i32> <i32 16, i32 17, i32 18, i32 19, i32 20, i32 21, i32 22, i32 23, i32 24, i32 25, i32 26, i32 27, i32 28, i32 29, i32 30, i32 31>
  %13 = fadd <16 x float> %11, %12
  %14 = shufflevector <16 x float> %13, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %15 = shufflevector <16 x float> %13, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %16 = fadd <8 x float> %14, %15
  %17 = shufflevector <8 x float> %16, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %18 = shufflevector <8 x float> %16, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %19 = fadd <4 x float> %17, %18
  %20 = shufflevector <4 x float> %19, <4 x float> poison, <2 x i32> <i32 0, i32 1>
  %21 = shufflevector <4 x float> %19, <4 x float> poison, <2 x i32> <i32 2, i32 3>
  %22 = fadd <2 x float> %20, %21
  %23 = shufflevector <2 x float> %22, <2 x float> poison, <1 x i32> zeroinitializer
  %24 = shufflevector <2 x float> %22, <2 x float> poison, <1 x i32> <i32 1>
  %25 = fadd <1 x float> %23, %24
  %sum = extractelement <1 x float> %25, i64 0
  br label %scale

scale:                                            ; preds = %fold
  %mean = fdiv float %sum, 6.400000e+01
  %26 = fadd float %mean, 0x3EE4F8B580000000
  %rms = call float @llvm.sqrt.f32(float %26)
  %r = fdiv float 1.000000e+00, %rms
  %r_group.splatinsert = insertelement <32 x float> poison, float %r, i64 0
  %r_group.splat = shufflevector <32 x float> %r_group.splatinsert, <32 x float> poison, <32 x i32> zeroinitializer
  %27 = icmp ne ptr %normed_row, null
  br i1 %27, label %normed_wanted, label %normed_done

normed_wanted:                                    ; preds = %scale
  br label %normed

normed:                                           ; preds = %normed, %normed_wanted
  %column1 = phi i64 [ 0, %normed_wanted ], [ %next_column3, %normed ]
  %28 = getelementptr inbounds float, ptr %x_row, i64 %column1
  %x2 = load <32 x float>, ptr %28, align 4
  %scaled = fmul <32 x float> %x2, %r_group.splat
  %29 = getelementptr inbounds float, ptr %w_row, i64 %column1
  %w = load <32 x float>, ptr %29, align 4
  %y = fmul <32 x float> %scaled, %w
  %30 = getelementptr inbounds float, ptr %normed_row, i64 %column1
  store <32 x float> %y, ptr %30, align 4
  %next_column3 = add i64 %column1, 32
  %31 = icmp ult i64 %next_column3, 64
  br i1 %31, label %normed, label %normed_rest

normed_rest:                                      ; preds = %normed
  br label %normed_done

normed_done:                                      ; preds = %normed_rest, %scale
  br label %absmax

absmax:                                           ; preds = %absmax, %normed_done
  %column4 = phi i64 [ 0, %normed_done ], [ %next_column10, %absmax ]
  %carried5 = phi <32 x float> [ <float 0x3EE4F8B580000000, float 0x3EE4F8B580000000, float 0x3EE4F8B580000000, float 0x3EE4F8B580000000, float 0x3EE4F8B580000000, float 0x3EE4F8B580000000, float 0x3EE4F8B580000000, float 0x3EE4F8B580000000, float 0x3EE4F8B580000000, float 0x3EE4F8B580000000, float 0x3EE4F8B580000000, float 0x3EE4F8B580000000, float 0x3EE4F8B580000000, float 0x3EE4F8B580000000, float 0x3EE4F8B580000000, float 0x3EE4F8B580000000, float 0x3EE4F8B580000000, float 0x3EE4F8B580000000, float 0x3EE4F8B580000000, float 0x3EE4F8B580000000, float 0x3EE4F8B580000000, float 0x3EE4F8B580000000, float 0x3EE4F8B580000000, float 0x3EE4F8B580000000, float 0x3EE4F8B580000000, float 0x3EE4F8B580000000, float 0x3EE4F8B580000000, float 0x3EE4F8B580000000, float 0x3EE4F8B580000000, float 0x3EE4F8B580000000, float 0x3EE4F8B580000000, float 0x3EE4F8B580000000>, %normed_done ], [ %36, %absmax ]
  %32 = getelementptr inbounds float, ptr %x_row, i64 %column4
  %x6 = load <32 x float>, ptr %32, align 4
  %scaled7 = fmul <32 x float> %x6, %r_group.splat
  %33 = getelementptr inbounds float, ptr %w_row, i64 %column4
  %w8 = load <32 x float>, ptr %33, align 4
  %y9 = fmul <32 x float> %scaled7, %w8
  %34 = call <32 x float> @llvm.fabs.v32f32(<32 x float> %y9)
  %35 = fcmp ogt <32 x float> %34, %carried5
  %36 = select <32 x i1> %35, <32 x float> %34, <32 x float> %carried5
  %next_column10 = add i64 %column4, 32
  %37 = icmp ult i64 %next_column10, 64
  br i1 %37, label %absmax, label %absmax_rest

absmax_rest:                                      ; preds = %absmax
  br label %quant_scale

quant_scale:                                      ; preds = %absmax_rest
  %38 = shufflevector <32 x float> %36, <32 x float> poison, <16 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %39 = shufflevector <32 x float> %36, <32 x float> poison, <16 x i32> <i32 16, i32 17, i32 18, i32 19, i32 20, i32 21, i32 22, i32 23, i32 24, i32 25, i32 26, i32 27, i32 28, i32 29, i32 30, i32 31>
  %40 = fcmp ogt <16 x float> %38, %39
  %41 = select <16 x i1> %40, <16 x float> %38, <16 x float> %39
  %42 = shufflevector <16 x float> %41, <16 x float> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %43 = shufflevector <16 x float> %41, <16 x float> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %44 = fcmp ogt <8 x float> %42, %43
  %45 = select <8 x i1> %44, <8 x float> %42, <8 x float> %43
  %46 = shufflevector <8 x float> %45, <8 x float> poison, <4 x i32> <i32 0, i32 1, i32 2, i32 3>
  %47 = shufflevector <8 x float> %45, <8 x float> poison, <4 x i32> <i32 4, i32 5, i32 6, i32 7>
  %48 = fcmp ogt <4 x float> %46, %47
  %49 = select <4 x i1> %48, <4 x float> %46, <4 x float> %47
  %50 = shufflevector <4 x float> %49, <4 x float> poison, <2 x i32> <i32 0, i32 1>
  %51 = shufflevector <4 x float> %49, <4 x float> poison, <2 x i32> <i32 2, i32 3>
  %52 = fcmp ogt <2 x float> %50, %51
  %53 = select <2 x i1> %52, <2 x float> %50, <2 x float> %51
  %54 = shufflevector <2 x float> %53, <2 x float> poison, <1 x i32> zeroinitializer
  %55 = shufflevector <2 x float> %53, <2 x float> poison, <1 x i32> <i32 1>
  %56 = fcmp ogt <1 x float> %54, %55
  %57 = select <1 x i1> %56, <1 x float> %54, <1 x float> %55
  %a = extractelement <1 x float> %57, i64 0
  %inv = fdiv float 1.270000e+02, %a
  %inv_group.splatinsert = insertelement <32 x float> poison, float %inv, i64 0
  %inv_group.splat = shufflevector <32 x float> %inv_group.splatinsert, <32 x float> poison, <32 x i32> zeroinitializer
  %scale11 = fdiv float %a, 1.270000e+02
  store float %scale11, ptr %scale_out, align 4
  br label %quantise

quantise:                                         ; preds = %quantise, %quant_scale
  %column12 = phi i64 [ 0, %quant_scale ], [ %next_column19, %quantise ]
  %carried13 = phi <8 x i32> [ zeroinitializer, %quant_scale ], [ %sum18, %quantise ]
  %58 = getelementptr inbounds float, ptr %x_row, i64 %column12
  %x14 = load <32 x float>, ptr %58, align 4
  %scaled15 = fmul <32 x float> %x14, %r_group.splat
  %59 = getelementptr inbounds float, ptr %w_row, i64 %column12
  %w16 = load <32 x float>, ptr %59, align 4
  %y17 = fmul <32 x float> %scaled15, %w16
  %60 = fmul <32 x float> %y17, %inv_group.splat
  %code = call <32 x i32> @llvm.lrint.v32i32.v32f32(<32 x float> %60)
  %61 = call <32 x i32> @llvm.smax.v32i32(<32 x i32> %code, <32 x i32> <i32 -128, i32 -128, i32 -128, i32 -128, i32 -128, i32 -128, i32 -128, i32 -128, i32 -128, i32 -128, i32 -128, i32 -128, i32 -128, i32 -128, i32 -128, i32 -128, i32 -128, i32 -128, i32 -128, i32 -128, i32 -128, i32 -128, i32 -128, i32 -128, i32 -128, i32 -128, i32 -128, i32 -128, i32 -128, i32 -128, i32 -128, i32 -128>)
  %62 = call <32 x i32> @llvm.smin.v32i32(<32 x i32> %61, <32 x i32> <i32 127, i32 127, i32 127, i32 127, i32 127, i32 127, i32 127, i32 127, i32 127, i32 127, i32 127, i32 127, i32 127, i32 127, i32 127, i32 127, i32 127, i32 127, i32 127, i32 127, i32 127, i32 127, i32 127, i32 127, i32 127, i32 127, i32 127, i32 127, i32 127, i32 127, i32 127, i32 127>)
  %63 = trunc <32 x i32> %62 to <32 x i8>
  %64 = getelementptr inbounds i8, ptr %q_row, i64 %column12
  store <32 x i8> %63, ptr %64, align 1
  %65 = shufflevector <32 x i32> %code, <32 x i32> poison, <16 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %66 = shufflevector <32 x i32> %code, <32 x i32> poison, <16 x i32> <i32 16, i32 17, i32 18, i32 19, i32 20, i32 21, i32 22, i32 23, i32 24, i32 25, i32 26, i32 27, i32 28, i32 29, i32 30, i32 31>
  %67 = add <16 x i32> %65, %66
  %68 = shufflevector <16 x i32> %67, <16 x i32> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
  %69 = shufflevector <16 x i32> %67, <16 x i32> poison, <8 x i32> <i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15>
  %70 = add <8 x i32> %68, %69
  %sum18 = add <8 x i32> %carried13, %70
  %next_column19 = add i64 %column12, 32
  %71 = icmp ult i64 %next_column19, 64
  br i1 %71, label %quantise, label %quantise_rest

quantise_rest:                                    ; preds = %quantise
  br label %finish

finish:                                           ; preds = %quantise_rest
  %72 = call i32 @llvm.vector.reduce.add.v8i32(<8 x i32> %sum18)
  store i32 %72, ptr %sum_out, align 4
  ret void
}

; Function Attrs: nocallback nofree nosync nounwind speculatable willreturn memory(none)
declare <64 x float> @llvm.fma.v64f32(<64 x float>, <64 x float>, <64 x float>) #1

; Function Attrs: nocallback nofree nosync nounwind speculatable willreturn memory(none)
declare float @llvm.sqrt.f32(float) #1

; Function Attrs: nocallback nofree nosync nounwind speculatable willreturn memory(none)
declare <32 x float> @llvm.fabs.v32f32(<32 x float>) #1

; Function Attrs: nocallback nofree nosync nounwind speculatable willreturn memory(none)
declare <32 x i32> @llvm.lrint.v32i32.v32f32(<32 x float>) #1

; Function Attrs: nocallback nofree nosync nounwind speculatable willreturn memory(none)
declare <32 x i32> @llvm.smax.v32i32(<32 x i32>, <32 x i32>) #1

; Function Attrs: nocallback nofree nosync nounwind speculatable willreturn memory(none)
declare <32 x i32> @llvm.smin.v32i32(<32 x i32>, <32 x i32>) #1

; Function Attrs: nocallback nofree nosync nounwind speculatable willreturn memory(none)
declare i32 @llvm.vector.reduce.add.v8i32(<8 x i32>) #1

attributes #0 = { nounwind "min-legal-vector-width"="256" "prefer-vector-width"="256" "target-cpu"="x86-64" "target-features"="+avx2,+fma,+f16c" "tune-cpu"="x86-64-v3" }
attributes #1 = { nocallback nofree nosync nounwind speculatable willreturn memory(none) }
