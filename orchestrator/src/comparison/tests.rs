//! Verdicts from scripted facts.
