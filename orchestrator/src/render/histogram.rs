//! The samples of each job as bars of characters: one histogram of all processes, and a line per
//! process, so that a second state shows in plain text.

use super::chart::strip;
use super::job_text::JobText;
use super::shown::{MOST_TEXTS, ShownList};
use crate::record::{JobRecord, ProcessTimes, Record, TimeSummary, store};
use orch_core::format;
use serde::Serialize;

/// Classes of a histogram, and columns of its longest bar.
const CLASSES: usize = 12;
const LONGEST: usize = 40;
/// Most processes of a job that have a line.
const MOST_PROCESSES: usize = 20;
/// Share of the samples that the last class gathers if they are far from the others.
const FAR: f64 = 0.02;
/// Signs for the counts of a class, from none to the most.
const SIGNS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The samples of a job.
#[derive(Debug, Serialize)]
pub(super) struct JobHistogram {
    job: String,
    text: JobText,
    classes: Vec<SampleClass>,
    processes: ShownList<ProcessLine>,
}

/// Samples of about one time.
#[derive(Debug, PartialEq, Serialize)]
struct SampleClass {
    /// The lower end; the last class of a job with far samples begins with `>`.
    from: String,
    count: usize,
    bar: String,
}

/// The samples of one process, a sign for each class.
#[derive(Debug, Serialize)]
struct ProcessLine {
    round: u32,
    signs: String,
}

/// Returns the histograms of all jobs with samples.
pub(super) fn all_jobs(record: &Record) -> ShownList<JobHistogram> {
    let drawn: Vec<JobHistogram> = record.jobs.iter().filter_map(draw).collect();
    ShownList::first(MOST_TEXTS, drawn).counting("job", store::FILE)
}

/// Draws the samples of all processes as a sign for each class; empty without samples.
pub(super) fn draw_shape(time: &TimeSummary) -> String {
    let processes = samples_of(time);
    let all = || processes.iter().flat_map(|(_, samples)| samples);
    let scale = ClassScale::covering(all());
    scale.map_or_else(String::new, |scale| draw_signs(&scale.count(all())))
}

/// Returns the times of the samples of each process, with its round.
fn samples_of(time: &TimeSummary) -> Vec<(u32, Vec<f64>)> {
    let of = |process: &ProcessTimes| {
        let samples = strip::per_iteration(&process.samples_ns, process.iterations);
        (process.round, samples)
    };
    time.processes.iter().map(of).collect()
}

/// Draws a sign for each class.
fn draw_signs(counts: &[usize]) -> String {
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let signs = counts
        .iter()
        .map(|count| SIGNS[length(*count, most, SIGNS.len() - 1)]);
    signs.collect()
}

fn draw(job: &JobRecord) -> Option<JobHistogram> {
    let processes = samples_of(job.time.as_ref()?);
    let scale = ClassScale::covering(processes.iter().flat_map(|(_, samples)| samples))?;
    let all = scale.count(processes.iter().flat_map(|(_, samples)| samples));
    let most = all.iter().copied().max().unwrap_or(0).max(1);
    let classes = all
        .iter()
        .zip(scale.names())
        .map(|(count, from)| SampleClass {
            from,
            count: *count,
            bar: "█".repeat(length(*count, most, LONGEST)),
        });
    let line = |(round, samples): (u32, Vec<f64>)| ProcessLine {
        round,
        signs: draw_signs(&scale.count(samples.iter())),
    };
    Some(JobHistogram {
        job: job.id.clone(),
        text: JobText::of(job),
        classes: classes.collect(),
        processes: ShownList::first(MOST_PROCESSES, processes).map(line),
    })
}

/// Returns the length of a bar. A single sample stays visible beside thousands.
fn length(count: usize, most: usize, longest: usize) -> usize {
    let share = count as f64 / most as f64;
    ((share * longest as f64).round() as usize).max(usize::from(count > 0))
}

/// Classes of one width, in nanoseconds.
struct ClassScale {
    first: f64,
    width: f64,
    /// Whether the last class gathers all that is further right.
    has_far: bool,
}

impl ClassScale {
    fn covering<'a>(samples: impl Iterator<Item = &'a f64>) -> Option<Self> {
        let mut all: Vec<f64> = samples.copied().collect();
        all.sort_by(f64::total_cmp);
        let (first, last) = (*all.first()?, *all.last()?);
        let typical = all[((all.len() - 1) as f64 * (1.0 - FAR)).floor() as usize];
        let has_far = last > first + 2.0 * (typical - first);
        let (end, classes) = if has_far {
            (typical, CLASSES - 1)
        } else {
            (last, CLASSES)
        };
        Some(Self {
            first,
            width: ((end - first) / classes as f64).max(f64::MIN_POSITIVE),
            has_far,
        })
    }

    fn count<'a>(&self, samples: impl Iterator<Item = &'a f64>) -> [usize; CLASSES] {
        let mut counts = [0; CLASSES];
        for sample in samples {
            let class = ((sample - self.first) / self.width) as usize;
            // The largest sample is the end of the last class of the scale.
            let last = CLASSES - 1 - usize::from(self.has_far);
            let is_far = self.has_far && class > last;
            counts[if is_far { CLASSES - 1 } else { class.min(last) }] += 1;
        }
        counts
    }

    /// Returns the lower end of each class.
    fn names(&self) -> Vec<String> {
        let ends: Vec<f64> = (0..CLASSES)
            .map(|class| self.first + class as f64 * self.width)
            .collect();
        let mut names = format::times_apart(&ends);
        if let Some(last) = names.last_mut().filter(|_| self.has_far) {
            last.insert_str(0, "> ");
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_in_classes_of_one_width() {
        let samples: Vec<f64> = (0..=120).map(f64::from).collect();
        let scale = ClassScale::covering(samples.iter()).unwrap();
        assert!(!scale.has_far);
        let counts = scale.count(samples.iter());
        assert_eq!(counts[..11], [10; 11]);
        assert_eq!(counts[11], 11, "the largest is in the last class");
    }

    #[test]
    fn far_samples_have_a_class_of_their_own() {
        let mut samples: Vec<f64> = (0..100).map(f64::from).collect();
        samples.push(1e6);
        let scale = ClassScale::covering(samples.iter()).unwrap();
        assert!(scale.has_far);
        let counts = scale.count(samples.iter());
        assert_eq!(counts.iter().sum::<usize>(), 101);
        assert!(counts[CLASSES - 1] <= 3 && counts[CLASSES - 1] >= 1);
        assert!(scale.names()[CLASSES - 1].starts_with("> "));
    }

    #[test]
    fn equal_samples_are_one_class() {
        let scale = ClassScale::covering([5.0, 5.0].iter()).unwrap();
        assert_eq!(scale.count([5.0, 5.0].iter())[0], 2);
        assert!(ClassScale::covering([].iter()).is_none());
    }
}
