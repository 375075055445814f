//! The parameter `prompt`: the number of tokens with which a session begins, or the tokens
//! themselves.

use orch_sdk::ParamValue;
use orch_sdk::serde_json::{Value, json};

/// A prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Prompt {
    /// This many pseudo-random tokens.
    Length(usize),
    /// These tokens.
    Tokens(Vec<u32>),
}

/// Maximum number of tokens of a prompt. A model reads at most its block of them.
const LONGEST: usize = 65_536;

impl Prompt {
    /// Returns the tokens, each below `vocab`.
    pub(crate) fn tokens(&self, vocab: usize, seed: u64) -> Result<Vec<u32>, String> {
        match self {
            Self::Length(length) => Ok(tokens(*length, vocab, seed)),
            Self::Tokens(tokens) => match tokens.iter().find(|token| **token as usize >= vocab) {
                Some(unknown) => Err(format!(
                    "token {unknown} is unknown, the model has tokens 0 to {}",
                    vocab - 1
                )),
                None => Ok(tokens.clone()),
            },
        }
    }
}

/// Returns pseudo-random tokens below `vocab`; equal seeds give equal tokens.
pub(crate) fn tokens(length: usize, vocab: usize, seed: u64) -> Vec<u32> {
    let mut rng = nn::rng::Rng::new(seed);
    let mut token =
        || u32::try_from(rng.next_u64() % vocab as u64).expect("a vocabulary is smaller than 2^32");
    (0..length).map(|_| token()).collect()
}

impl ParamValue for Prompt {
    fn schema() -> Value {
        json!({ "anyOf": [
            { "type": "integer", "minimum": 1, "maximum": LONGEST },
            { "type": "array", "items": u32::schema(), "minItems": 1, "maxItems": LONGEST },
        ] })
    }

    fn from_json(value: &Value) -> Result<Self, String> {
        let in_range = |length: usize| {
            if (1..=LONGEST).contains(&length) {
                Ok(length)
            } else {
                Err(format!("expected 1 to {LONGEST} tokens, got {length}"))
            }
        };
        if value.is_array() {
            let tokens: Vec<u32> = ParamValue::from_json(value)?;
            in_range(tokens.len()).map(|_| Self::Tokens(tokens))
        } else {
            let length = usize::from_json(value)
                .map_err(|error| format!("{error}, or a list of token ids"))?;
            in_range(length).map(Self::Length)
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Length(length) => length.to_json(),
            Self::Tokens(tokens) => tokens.to_json(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_or_a_list() {
        assert_eq!(Prompt::from_json(&json!(10)), Ok(Prompt::Length(10)));
        assert_eq!(
            Prompt::from_json(&json!([3, 0])),
            Ok(Prompt::Tokens(vec![3, 0]))
        );
        for (wrong, expected) in [
            (json!(0), "expected 1 to 65536 tokens, got 0"),
            (json!([]), "expected 1 to 65536 tokens, got 0"),
            (
                json!("ten"),
                "expected an integer, got \"ten\", or a list of token ids",
            ),
            (
                json!([1, -1]),
                "element 1: expected an integer from 0 to 4294967295, got -1",
            ),
        ] {
            assert_eq!(
                Prompt::from_json(&wrong),
                Err(expected.to_owned()),
                "{wrong}"
            );
        }
    }

    #[test]
    fn tokens_are_known_to_the_model() {
        let random = Prompt::Length(100).tokens(7, 1);
        assert!(
            random.is_ok_and(|tokens| tokens.len() == 100 && tokens.iter().all(|token| *token < 7))
        );
        let unknown = Prompt::Tokens(vec![0, 7]).tokens(7, 1);
        assert_eq!(
            unknown,
            Err("token 7 is unknown, the model has tokens 0 to 6".to_owned())
        );
    }
}
