//! A plugin of `orch`: one workload, which measures the code in `average.rs`.

mod average;

use orch_sdk::prelude::*;

#[derive(Params)]
struct AverageParams {
    /// Values in the input
    #[param(default = 10_000, range = 1..=1_000_000)]
    n: usize,
    /// Successive values in each mean
    #[param(default = 16, range = 1..=1024)]
    width: usize,
}

struct MovingAverage {
    params: AverageParams,
    input: Vec<f64>,
    means: Vec<f64>,
}

impl Workload for MovingAverage {
    const ID: &'static str = "moving_average";
    const ABOUT: &'static str = "Means of all windows of successive values";
    const ITERATION: &'static str = "the means of one input of n values, in a new vector";
    const METRICS: &'static [Metric] = &[Metric::rate("values_per_s", "Mvalue/s", "values", 1e-6)];
    type Params = AverageParams;

    fn create(params: AverageParams) -> Result<Self> {
        Ok(Self {
            params,
            input: Vec::new(),
            means: Vec::new(),
        })
    }

    /// Untimed, once: the inputs. The same numbers in each process, or the digests would differ.
    fn setup(&mut self) -> Result<()> {
        self.input = (0..self.params.n)
            .map(|i| (i * 7919 % 1000) as f64)
            .collect();
        Ok(())
    }

    /// One iteration: this is timed. The result stays, so that it is not optimised away and the
    /// digest finds it.
    fn run(&mut self) -> Result<()> {
        scope!("moving_average");
        self.means = average::moving_average(&self.input, self.params.width);
        count!("values", self.input.len());
        Ok(())
    }

    /// What was computed, so that a faster but wrong result is noticed.
    fn digest(&mut self) -> Result<Option<Digest>> {
        Ok(Some(
            Digest::number(self.means.iter().sum()).tolerance(1e-9),
        ))
    }
}

export_plugin!(MovingAverage);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_computes_what_it_should() -> Result<()> {
        // The input begins with 0, 919, 838, 757.
        let wanted: [(usize, &[f64]); 3] = [(2, &[459.5, 878.5, 797.5]), (4, &[628.5]), (5, &[])];
        for (width, means) in wanted {
            let mut workload = MovingAverage::create(AverageParams { n: 4, width })?;
            workload.setup()?;
            workload.run()?;
            assert_eq!(workload.means, means, "width {width}");
        }
        Ok(())
    }
}
