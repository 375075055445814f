//! The formats of other programs in which results are exported.

/// A format of another program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExportFormat {
    /// One row per job and metric, as CSV.
    Csv,
    /// The same rows, as JSON lines.
    Jsonl,
    /// One row per sample, as CSV.
    SamplesCsv,
    /// The same rows, as JSON lines.
    SamplesJsonl,
    /// JUnit XML: one test case per job.
    Junit,
    /// Markdown for a comment on a pull request.
    GithubComment,
    /// Text exposition format of Prometheus.
    Prometheus,
    /// Bencher Metric Format.
    Bencher,
    /// The `customSmallerIsBetter` format of github-action-benchmark.
    GithubActionBenchmark,
    /// Profiles of the time inside each scope itself, in speedscope's file format.
    SpeedscopeTime,
    /// Profiles of the bytes that each scope allocates.
    SpeedscopeBytes,
    /// Folded stacks of the time inside each scope itself, in nanoseconds.
    FoldedTime,
    /// Folded stacks of the bytes that each scope allocates.
    FoldedBytes,
}

impl ExportFormat {
    pub(crate) const ALL: [Self; 13] = [
        Self::Csv,
        Self::Jsonl,
        Self::SamplesCsv,
        Self::SamplesJsonl,
        Self::Junit,
        Self::GithubComment,
        Self::Prometheus,
        Self::Bencher,
        Self::GithubActionBenchmark,
        Self::SpeedscopeTime,
        Self::SpeedscopeBytes,
        Self::FoldedTime,
        Self::FoldedBytes,
    ];

    /// Formats of the times of programs.
    pub(crate) const OF_TIMES: [Self; 4] =
        [Self::Csv, Self::Jsonl, Self::SamplesCsv, Self::SamplesJsonl];

    /// Returns the name that selects the format.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::SamplesCsv => "samples-csv",
            Self::SamplesJsonl => "samples-jsonl",
            Self::Junit => "junit",
            Self::GithubComment => "github-comment",
            Self::Prometheus => "prometheus",
            Self::Bencher => "bencher",
            Self::GithubActionBenchmark => "github-action-benchmark",
            Self::SpeedscopeTime => "speedscope",
            Self::SpeedscopeBytes => "speedscope-bytes",
            Self::FoldedTime => "folded",
            Self::FoldedBytes => "folded-bytes",
        }
    }

    /// Returns the name of the file in the folder of a result.
    pub(crate) fn file_name(self) -> &'static str {
        match self {
            Self::Csv => "metrics.csv",
            Self::Jsonl => "metrics.jsonl",
            Self::SamplesCsv => "samples.csv",
            Self::SamplesJsonl => "samples.jsonl",
            Self::Junit => "junit.xml",
            Self::GithubComment => "github-comment.md",
            Self::Prometheus => "metrics.prom",
            Self::Bencher => "bencher.json",
            Self::GithubActionBenchmark => "github-action-benchmark.json",
            Self::SpeedscopeTime => "speedscope.json",
            Self::SpeedscopeBytes => "speedscope-bytes.json",
            Self::FoldedTime => "time.folded",
            Self::FoldedBytes => "bytes.folded",
        }
    }

    /// Returns the content in a few words.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Csv => "a row per job and metric",
            Self::Jsonl => "a line per job and metric",
            Self::SamplesCsv => "a row per sample",
            Self::SamplesJsonl => "a line per sample",
            Self::Junit => "a test case per job, as JUnit XML",
            Self::GithubComment => "a comment for a pull request",
            Self::Prometheus => "metrics for Prometheus",
            Self::Bencher => "results for Bencher",
            Self::GithubActionBenchmark => "results for github-action-benchmark",
            Self::SpeedscopeTime => "time of scopes, for speedscope",
            Self::SpeedscopeBytes => "allocated bytes of scopes, for speedscope",
            Self::FoldedTime => "time of scopes, as folded stacks",
            Self::FoldedBytes => "allocated bytes of scopes, as folded stacks",
        }
    }

    /// Finds the format of a name.
    pub(crate) fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }
}
