//! Parameters of a workload: the traits that `#[derive(Params)]` implements.

mod field;
mod limits;
mod number;
mod value;

use crate::{Error, Result};
use serde_json::{Map, Value, json};

#[doc(hidden)]
pub use field::{Field, Fields, Schema, choices, one_of};
pub use limits::Ranged;
#[doc(hidden)]
pub use number::Number;

/// The parameters of a workload. Write `#[derive(Params)]` on a struct with named fields.
///
/// The doc comment of a field becomes its description. `#[param(..)]` takes `default = EXPR`,
/// `range = A..=B` (also `A..B`, `A..`, `..=B`, `..B`) and `unit = ".."`. A range is allowed on
/// numbers, and on `Option`s and `Vec`s of numbers. A field without a default is required, unless
/// it is an `Option`. The derived code refuses a parameter that no field names, and suggests the
/// nearest name.
///
/// On an enum without fields, the derive implements [`ParamValue`]. The value is a text: the name
/// of a variant in snake_case, or the name that `#[param(name = "..")]` gives to it.
///
/// ```
/// use orch_sdk::prelude::*;
///
/// #[derive(Params, Debug, PartialEq)]
/// enum Activation {
///     /// The tanh approximation
///     GeluTanh,
///     #[param(name = "gelu")]
///     Exact,
/// }
///
/// #[derive(Params)]
/// struct MlpParams {
///     /// Rows of the input
///     #[param(default = 64, range = 1..=4096)]
///     batch: usize,
///     #[param(default = Activation::Exact)]
///     activation: Activation,
///     /// Time limit; none by default
///     #[param(range = 0.0.., unit = "s")]
///     limit: Option<f64>,
/// }
///
/// let params = MlpParams::from_json(&orch_sdk::serde_json::json!({ "activation": "gelu_tanh" }))?;
/// assert_eq!((params.batch, params.activation, params.limit), (64, Activation::GeluTanh, None));
///
/// let misspelt = orch_sdk::serde_json::json!({ "bacth": 8 });
/// let error = MlpParams::from_json(&misspelt).err().map(|error| error.to_string());
/// assert_eq!(error.as_deref(), Some("unknown parameter 'bacth': did you mean 'batch'?"));
/// # Ok::<(), orch_sdk::Error>(())
/// ```
pub trait Params: Sized {
    /// Returns the JSON Schema of the parameters, an object.
    fn schema() -> Value;

    /// Reads the parameters from a JSON object.
    ///
    /// # Errors
    /// The error names the parameter, the value and the allowed values.
    fn from_json(params: &Value) -> Result<Self>;
}

/// A workload without parameters.
impl Params for () {
    fn schema() -> Value {
        Schema::new().finish()
    }

    fn from_json(params: &Value) -> Result<Self> {
        Fields::new(params, &[]).map(|_| ())
    }
}

/// The type of one parameter.
///
/// The SDK implements it for numbers, `bool`, `String`, `PathBuf`, and `Vec` and `Option` of them.
/// `#[derive(Params)]` implements it for enums. For a value of several shapes, implement it by
/// hand:
///
/// ```
/// use orch_sdk::{ParamValue, serde_json::{Value, json}};
///
/// /// A prompt: its length, or the ids of its tokens.
/// #[derive(Debug, PartialEq)]
/// enum Prompt {
///     Length(u64),
///     Tokens(Vec<u32>),
/// }
///
/// impl ParamValue for Prompt {
///     fn schema() -> Value {
///         json!({ "anyOf": [u64::schema(), <Vec<u32>>::schema()] })
///     }
///
///     fn from_json(value: &Value) -> Result<Self, String> {
///         if value.is_array() {
///             ParamValue::from_json(value).map(Self::Tokens)
///         } else {
///             ParamValue::from_json(value)
///                 .map(Self::Length)
///                 .map_err(|error| format!("{error}, or a list of token ids"))
///         }
///     }
///
///     fn to_json(&self) -> Value {
///         match self {
///             Self::Length(length) => length.to_json(),
///             Self::Tokens(ids) => ids.to_json(),
///         }
///     }
/// }
/// assert_eq!(Prompt::from_json(&json!([1, 2])), Ok(Prompt::Tokens(vec![1, 2])));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the type of a parameter",
    note = "use `#[derive(Params)]` on an enum without fields, or implement `orch_sdk::ParamValue` \
        by hand"
)]
pub trait ParamValue: Sized {
    /// Returns the JSON Schema of the values.
    fn schema() -> Value;

    /// Reads a value.
    ///
    /// # Errors
    /// The text names the expected and the found value. The caller puts the name of the parameter
    /// before it.
    fn from_json(value: &Value) -> Result<Self, String>;

    /// Writes a value, for the default in the schema.
    fn to_json(&self) -> Value;

    /// Returns the value of a parameter that is absent and has no default. `None` makes the
    /// parameter required.
    fn absent() -> Option<Self> {
        None
    }
}

/// Reads the text that the host passes to `create`; empty and `null` mean no parameters.
pub(crate) fn parse<P: Params>(text: &str) -> Result<P> {
    let value = match text.trim() {
        "" | "null" => Value::Object(Map::new()),
        text => serde_json::from_str(text)
            .map_err(|error| Error::params(format_args!("the parameters are not JSON: {error}")))?,
    };
    P::from_json(&value)
}

/// Formats a value for error messages: JSON, cut if it is long.
pub(crate) fn shown(value: &Value) -> String {
    const LONGEST: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// Returns `{"type": kind}`.
pub(crate) fn of_type(kind: &str) -> Value {
    json!({ "type": kind })
}
