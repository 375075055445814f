//! Tests of `#[derive(Params)]`: accepted values, refused values with their messages, and the
//! schema.

use orch_sdk::prelude::*;
use orch_sdk::serde_json::{self, Value, json};
use std::path::PathBuf;

#[derive(Params, Debug, PartialEq)]
enum Activation {
    /// The tanh approximation.
    GeluTanh,
    #[param(name = "gelu")]
    GeluErf,
    #[expect(clippy::upper_case_acronyms, reason = "tests the name")]
    RELU,
}

#[derive(Params, Debug, PartialEq)]
struct Everything {
    required: u8,
    /// Rows and
    /// columns.
    #[param(default = 1000, range = 1..=1_000_000, unit = "elements")]
    size: u64,
    #[param(range = 0..10, default = -0)]
    signed: i16,
    #[param(default = 0.1, range = 0.0..1.0)]
    rate: f32,
    #[param(range = 0.5..)]
    limit: Option<f64>,
    #[param(default = vec![1, 2], range = ..=4096)]
    dims: Vec<usize>,
    #[param(default = "small")]
    model: String,
    weights: Option<PathBuf>,
    #[param(default = Activation::GeluErf)]
    activation: Activation,
    #[param(default = 2 + 3)]
    r#type: i64,
    #[param(default = true)]
    check: bool,
    tokens: Option<Vec<u32>>,
}

fn schema_text() -> String {
    serde_json::to_string_pretty(&Everything::schema()).expect("a Value can be written")
}

#[test]
fn schema_is_in_the_order_of_the_fields() {
    let expected = json!({
        "type": "object",
        "properties": {
            "required": { "type": "integer", "minimum": 0, "maximum": 255 },
            "size": {
                "description": "Rows and columns", "type": "integer",
                "minimum": 1, "maximum": 1_000_000,
                "default": 1000, "x-unit": "elements",
            },
            "signed": { "type": "integer", "minimum": 0, "exclusiveMaximum": 10, "default": 0 },
            "rate": { "type": "number", "minimum": 0.0, "exclusiveMaximum": 1.0, "default": 0.1 },
            "limit": { "type": "number", "minimum": 0.5 },
            "dims": {
                "type": "array", "items": { "type": "integer", "minimum": 0, "maximum": 4096 },
                "default": [1, 2]
            },
            "model": { "type": "string", "default": "small" },
            "weights": { "type": "string", "format": "path" },
            "activation": {
                "type": "string", "enum": ["gelu_tanh", "gelu", "relu"],
                "x-values": { "gelu_tanh": "The tanh approximation" }, "default": "gelu",
            },
            "type": { "type": "integer", "default": 5 },
            "check": { "type": "boolean", "default": true },
            "tokens": {
                "type": "array",
                "items": { "type": "integer", "minimum": 0, "maximum": 4_294_967_295_u32 }
            },
        },
        "required": ["required"],
        "additionalProperties": false,
    });
    assert_eq!(
        schema_text(),
        serde_json::to_string_pretty(&expected).expect("a Value can be written")
    );
}

#[test]
fn defaults_fill_what_is_absent() {
    let read = Everything::from_json(&json!({ "required": 7 })).expect("the rest has defaults");
    let expected = Everything {
        required: 7,
        size: 1000,
        signed: 0,
        rate: 0.1,
        limit: None,
        dims: vec![1, 2],
        model: "small".to_owned(),
        weights: None,
        activation: Activation::GeluErf,
        r#type: 5,
        check: true,
        tokens: None,
    };
    assert_eq!(read, expected);
}

#[test]
fn values_are_read() {
    let everything = json!({
        "required": 255, "size": 1e6, "signed": 9, "rate": 0, "limit": 0.5, "dims": [],
        "model": "m", "weights": "a/b",
        "activation": "gelu_tanh", "type": -3, "check": false, "tokens": [4_294_967_295_u32],
    });
    let expected = Everything {
        required: 255,
        size: 1_000_000,
        signed: 9,
        rate: 0.0,
        limit: Some(0.5),
        dims: vec![],
        model: "m".to_owned(),
        weights: Some(PathBuf::from("a/b")),
        activation: Activation::GeluTanh,
        r#type: -3,
        check: false,
        tokens: Some(vec![u32::MAX]),
    };
    assert_eq!(
        Everything::from_json(&everything).expect("all are allowed"),
        expected
    );
}

/// Returns the error for one parameter beside a valid `required`.
fn refusal(name: &str, value: Value) -> String {
    let mut params = json!({ "required": 1 });
    params[name] = value;
    Everything::from_json(&params)
        .expect_err("it is not allowed")
        .to_string()
}

#[test]
fn refusals_name_parameter_value_and_what_is_allowed() {
    let cases = [
        (
            "required",
            json!(256),
            "parameter 'required': expected an integer from 0 to 255, got 256",
        ),
        (
            "required",
            json!(-1),
            "parameter 'required': expected an integer from 0 to 255, got -1",
        ),
        (
            "required",
            json!(null),
            "parameter 'required': expected an integer, got null",
        ),
        (
            "size",
            json!(0),
            "parameter 'size': 0 is out of range (allowed: 1 to 1000000)",
        ),
        (
            "size",
            json!(1_000_001),
            "parameter 'size': 1000001 is out of range (allowed: 1 to 1000000)",
        ),
        (
            "size",
            json!("ten"),
            "parameter 'size': expected an integer, got \"ten\" (allowed: 1 to 1000000)",
        ),
        (
            "size",
            json!(1.5),
            "parameter 'size': expected an integer, got 1.5 (allowed: 1 to 1000000)",
        ),
        (
            "signed",
            json!(10),
            "parameter 'signed': 10 is out of range (allowed: at least 0 and below 10)",
        ),
        (
            "rate",
            json!(1),
            "parameter 'rate': 1 is out of range (allowed: at least 0 and below 1)",
        ),
        (
            "rate",
            json!(1e300),
            "parameter 'rate': expected a number in the range of f32, got 1e+300 (allowed: at \
             least 0 and below 1)",
        ),
        (
            "limit",
            json!(0.25),
            "parameter 'limit': 0.25 is out of range (allowed: at least 0.5)",
        ),
        (
            "dims",
            json!([1, 5000]),
            "parameter 'dims': 5000 is out of range (allowed: at most 4096)",
        ),
        (
            "dims",
            json!([1, "a"]),
            "parameter 'dims': element 1: expected an integer, got \"a\" (allowed: at most 4096)",
        ),
        (
            "dims",
            json!(3),
            "parameter 'dims': expected a list, got 3 (allowed: at most 4096)",
        ),
        (
            "model",
            json!(3),
            "parameter 'model': expected a text, got 3",
        ),
        (
            "check",
            json!("yes"),
            "parameter 'check': expected true or false, got \"yes\"",
        ),
        (
            "activation",
            json!("gelu_tahn"),
            "parameter 'activation': expected one of 'gelu_tanh', 'gelu', 'relu', got \
             \"gelu_tahn\"; did you mean 'gelu_tanh'?",
        ),
        (
            "activation",
            json!(1),
            "parameter 'activation': expected one of 'gelu_tanh', 'gelu', 'relu', got 1",
        ),
        (
            "mdoel",
            json!("m"),
            "unknown parameter 'mdoel': did you mean 'model'?",
        ),
        (
            "weights",
            json!([[
                1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23
            ]]),
            "parameter 'weights': expected a path, got \
             [[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,2...",
        ),
    ];
    for (name, value, expected) in cases {
        assert_eq!(refusal(name, value), expected);
    }
    assert_eq!(
        Everything::from_json(&json!({}))
            .expect_err("one is missing")
            .to_string(),
        "parameter 'required' is required"
    );
}

#[test]
fn default_outside_its_range_is_refused_too() {
    #[derive(Params, Debug)]
    struct Careless {
        #[param(default = 0, range = 1..)]
        #[expect(dead_code, reason = "never made")]
        size: usize,
    }
    let error = Careless::from_json(&json!({})).expect_err("0 is not allowed");
    assert_eq!(
        error.to_string(),
        "parameter 'size': the default 0 is out of range (allowed: at least 1)"
    );
}

#[test]
fn no_parameters() {
    assert!(<() as Params>::from_json(&json!({})).is_ok());
    assert_eq!(
        <() as Params>::schema(),
        json!({ "type": "object", "properties": {}, "additionalProperties": false })
    );
}

#[test]
fn empty_struct_has_no_parameters() {
    #[derive(Params)]
    struct Nothing {}
    assert_eq!(Nothing::schema(), <() as Params>::schema());
    assert!(Nothing::from_json(&json!({})).is_ok());
}
