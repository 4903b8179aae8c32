//! The two 16-bit formats that checkpoints have, to and from float32.

/// float16 widened exactly.
pub fn widen_f16(bits: u16) -> f32 {
    let (sign, magnitude) = (u32::from(bits >> 15) << 31, u32::from(bits & 0x7fff));
    let widened = match magnitude {
        // A subnormal is a whole number of 2^-24.
        0..0x0400 => (magnitude as f32 * 2f32.powi(-24)).to_bits(),
        // The exponent's bias goes from 15 to 127, the fraction from 10 bits to 23.
        0x0400..0x7c00 => (magnitude << 13) + ((127 - 15) << 23),
        _ => 0x7f80_0000 | (magnitude & 0x03ff) << 13,
    };
    f32::from_bits(sign | widened)
}

/// bfloat16 widened exactly: it is the upper half of a float32.
pub fn widen_bf16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// The last bits of `x`, `dropped` of them, rounded away to nearest, ties to even.
fn rounded(x: u32, dropped: u32) -> u32 {
    let half = (1 << (dropped - 1)) - 1;
    (x + half + (x >> dropped & 1)) >> dropped
}

/// The nearest float16, ties to even; what is beyond its range becomes infinite.
pub fn narrow_f16(x: f32) -> u16 {
    let bits = x.to_bits();
    let (sign, magnitude) = ((bits >> 16 & 0x8000) as u16, bits & 0x7fff_ffff);
    let narrowed = match magnitude {
        0x7f80_0001.. => 0x7e00,
        // 65520 and above round to infinity.
        0x477f_f000.. => 0x7c00,
        // Normal numbers; a carry out of the fraction goes up into the exponent.
        0x3880_0000.. => rounded(magnitude - ((127 - 15) << 23), 13),
        // Subnormals count 2^-24: adding 1/2 leaves as many of those in a float32's last bits, rounded by the addition.
        _ => (f32::from_bits(magnitude) + 0.5).to_bits() - 0.5f32.to_bits(),
    };
    sign | narrowed as u16
}

/// The nearest bfloat16, ties to even; NaN stays NaN.
pub fn narrow_bf16(x: f32) -> u16 {
    if x.is_nan() { (x.to_bits() >> 16) as u16 | 0x0040 } else { rounded(x.to_bits(), 16) as u16 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls `f` with a value and its bits, for every pattern of 16 bits.
    fn each(widen: fn(u16) -> f32, f: impl Fn(f32, u16)) {
        (0..=u16::MAX).for_each(|bits| f(widen(bits), bits));
    }

    #[test]
    fn widening_and_narrowing_give_every_pattern_back() {
        each(widen_f16, |x, bits| assert!(x.is_nan() || narrow_f16(x) == bits, "{bits:#x} {x}"));
        each(widen_bf16, |x, bits| assert!(x.is_nan() || narrow_bf16(x) == bits, "{bits:#x} {x}"));
    }

    #[test]
    fn float16_has_the_values_of_its_definition() {
        each(widen_f16, |x, bits| {
            let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 0x3ff));
            let magnitude = match exponent {
                0 => fraction * 2f64.powi(-24),
                31 if fraction == 0.0 => f64::INFINITY,
                31 => f64::NAN,
                _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
            };
            let wanted = if bits >> 15 == 0 { magnitude } else { -magnitude };
            assert!(f64::from(x) == wanted || (x.is_nan() && wanted.is_nan()), "{bits:#x}: {x}, {wanted}");
            assert_eq!(x.is_sign_negative(), bits >> 15 == 1);
        });
    }

    /// Between two neighbours everything goes to the nearer one, and the middle to the one whose last bit is 0.
    fn check_rounding(widen: fn(u16) -> f32, narrow: fn(f32) -> u16, finite: u16) {
        for bits in 0..finite {
            let (low, high) = (f64::from(widen(bits)), f64::from(widen(bits + 1)));
            let middle = ((low + high) / 2.0) as f32;
            let even = if bits % 2 == 0 { bits } else { bits + 1 };
            assert_eq!(narrow(middle), even, "{middle}");
            assert_eq!(narrow(middle.next_down()), bits, "{middle}");
            assert_eq!(narrow(middle.next_up()), bits + 1, "{middle}");
            assert_eq!(narrow(-middle), even | 0x8000);
        }
    }

    #[test]
    fn narrowing_rounds_to_nearest_and_ties_to_even() {
        check_rounding(widen_f16, narrow_f16, 0x7bff);
        check_rounding(widen_bf16, narrow_bf16, 0x7f7f);
    }

    #[test]
    fn what_has_no_finite_neighbour_becomes_infinite_and_nan_stays_nan() {
        assert_eq!(narrow_f16(65520.0), 0x7c00);
        assert_eq!(narrow_f16(-1e30), 0xfc00);
        assert_eq!(narrow_f16(65519.996), 0x7bff);
        assert_eq!(narrow_bf16(f32::MAX), 0x7f80);
        assert!(widen_f16(narrow_f16(f32::NAN)).is_nan() && widen_bf16(narrow_bf16(f32::NAN)).is_nan());
        assert!(widen_bf16(narrow_bf16(f32::from_bits(0x7f80_0001))).is_nan());
    }
}
