//! The code under test. It stands for your own: call your library from `lib.rs` instead, or put the
//! code here.

/// The means of all windows of `width` successive values; none if there are fewer values than that.
pub fn moving_average(values: &[f64], width: usize) -> Vec<f64> {
    if width == 0 || values.len() < width {
        return Vec::new();
    }
    let mut means = Vec::with_capacity(values.len() - width + 1);
    let mut sum: f64 = values[..width].iter().sum();
    means.push(sum / width as f64);
    for (entering, leaving) in values[width..].iter().zip(values) {
        sum += entering - leaving;
        means.push(sum / width as f64);
    }
    means
}
