use core::arch::wasm32::*;

/// Transposes a 4x4 block held in four vectors.
#[inline(always)]
pub fn transpose4(r: [v128; 4]) -> [v128; 4] {
    let low01 = i32x4_shuffle::<0, 4, 1, 5>(r[0], r[1]);
    let high01 = i32x4_shuffle::<2, 6, 3, 7>(r[0], r[1]);
    let low23 = i32x4_shuffle::<0, 4, 1, 5>(r[2], r[3]);
    let high23 = i32x4_shuffle::<2, 6, 3, 7>(r[2], r[3]);
    [
        i64x2_shuffle::<0, 2>(low01, low23),
        i64x2_shuffle::<1, 3>(low01, low23),
        i64x2_shuffle::<0, 2>(high01, high23),
        i64x2_shuffle::<1, 3>(high01, high23),
    ]
}

/// `out[j * 16 + i] = x[i * stride + j]` for `i < rows ≤ 16`, `j < cols`; the columns of `out` beyond `rows` become zero.
///
/// # Safety
/// `x` must be valid for `rows` rows `stride` apart of `cols` elements, `out` for `cols * 16`.
pub unsafe fn transpose_to_16(x: *const f32, stride: usize, rows: usize, cols: usize, out: *mut f32) {
    // SAFETY: blocks of 4x4 stay within `rows` and `cols`, single elements too; `out` has 16 columns.
    unsafe {
        let (whole_rows, whole_cols) = (rows - rows % 4, cols - cols % 4);
        for j in (0..whole_cols).step_by(4) {
            for i in (0..whole_rows).step_by(4) {
                let from = x.add(i * stride + j);
                let block = [0, 1, 2, 3].map(|r| v128_load(from.add(r * stride).cast()));
                for (c, column) in transpose4(block).into_iter().enumerate() {
                    v128_store(out.add((j + c) * 16 + i).cast(), column);
                }
            }
        }
        for j in 0..cols {
            let done = if j < whole_cols { whole_rows } else { 0 };
            for i in done..16 {
                *out.add(j * 16 + i) = if i < rows { *x.add(i * stride + j) } else { 0.0 };
            }
        }
    }
}
