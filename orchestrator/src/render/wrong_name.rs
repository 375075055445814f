//! The nearest name to one that a template misspelled.

use crate::scenario::problem::nearest_name;
use minijinja::{Error, ErrorKind};
use serde_json::Value;

/// Returns a hint for an error about an undefined value: the name that does not exist, and the
/// nearest one in the view. Returns `None` for other errors, and if no name is near, as for the
/// variable of a loop.
pub(super) fn suggest_name(error: &Error, view: &Value) -> Option<String> {
    let innermost = find_innermost(error);
    if innermost.kind() != ErrorKind::UndefinedError {
        return None;
    }
    // The range of the error may be that of a filter. Only the detail has the undefined expression,
    // between backticks.
    let mut parts = innermost.detail()?.split('`');
    let path = parts.nth(1)?;
    let mut place = view;
    for name in path.split('.') {
        let fields = place.as_object()?;
        match fields.get(name) {
            Some(next) => place = next,
            None => {
                let nearest = nearest_name(name, fields.keys().map(String::as_str))?;
                return Some(format!("there is no `{name}`; did you mean `{nearest}`?"));
            }
        }
    }
    None
}

/// Returns the error of the template that was included last.
fn find_innermost(error: &Error) -> &Error {
    let mut innermost = error;
    while let Some(cause) =
        std::error::Error::source(innermost).and_then(|cause| cause.downcast_ref::<Error>())
    {
        innermost = cause;
    }
    innermost
}

#[cfg(test)]
mod tests {
    use super::*;
    use minijinja::value::Serde;
    use minijinja::{Environment, UndefinedBehavior};
    use serde_json::json;

    fn suggest(template: &str) -> Option<String> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_debug(true);
        let view = json!({ "record": { "name": "x", "jobs": [] }, "busy": null });
        let error = environment.render_str(template, Serde(&view)).err()?;
        suggest_name(&error, &view)
    }

    #[test]
    fn misspelled_names_get_the_nearest_one() {
        for (template, wrong, right) in [
            ("{{ recrd.name }}", "recrd", "record"),
            ("{{ record.nmae }}", "nmae", "name"),
            ("{{ record.nmae | upper }}", "nmae", "name"),
            ("{% for job in record.jbos %}{% endfor %}", "jbos", "jobs"),
            ("{% if bsy %}{% endif %}", "bsy", "busy"),
        ] {
            let expected = format!("there is no `{wrong}`; did you mean `{right}`?");
            assert_eq!(suggest(template), Some(expected), "{template}");
        }
        for template in ["{{ elephant }}", "{{ 1 / 0 }}", "{{ record.name }}"] {
            assert_eq!(suggest(template), None, "{template}");
        }
    }
}
