//! When a fault happens: in which phase, in which iteration.

use orch_sdk::prelude::*;

/// A phase of an instance's life.
#[derive(Params, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Create,
    Setup,
    /// In one iteration, inside the scope `faulty`
    Run,
    Digest,
    Destroy,
}

/// Something that goes wrong once; its fields are the parameters.
pub trait Fault: Params + 'static {
    const ID: &'static str;
    const ABOUT: &'static str;

    fn at(&self) -> Phase;

    /// The iteration of the instance's life, from 1, for [`Phase::Run`].
    fn iteration(&self) -> u64;

    fn act(&mut self) -> Result<()>;
}

/// Defines a fault: its doc comment, id, own parameters, and what it does.
macro_rules! fault {
    (
        $(#[doc = $about:literal])+
        $id:literal $name:ident { $($fields:tt)* }
        |$fault:ident| $act:expr
    ) => {
        $(#[doc = $about])+
        #[derive(Params)]
        pub struct $name {
            $($fields)*
            /// Phase of the fault
            #[param(default = $crate::trigger::Phase::Run)]
            at: $crate::trigger::Phase,
            /// Iteration of the fault, counted per instance, if it happens in run
            #[param(default = 3, range = 1..)]
            iteration: u64,
        }

        impl $crate::trigger::Fault for $name {
            const ID: &'static str = $id;
            const ABOUT: &'static str = concat!($($about),+).trim_ascii();

            fn at(&self) -> $crate::trigger::Phase {
                self.at
            }

            fn iteration(&self) -> u64 {
                self.iteration
            }

            fn act(&mut self) -> Result<()> {
                let $fault = self;
                $act
            }
        }
    };
}
pub(crate) use fault;

/// A workload that does nothing except, at its time, its fault.
pub struct Faulty<F: Fault> {
    fault: F,
    iterations: u64,
}

impl<F: Fault> Faulty<F> {
    fn act_at(&mut self, phase: Phase) -> Result<()> {
        if self.fault.at() == phase {
            self.fault.act()
        } else {
            Ok(())
        }
    }
}

impl<F: Fault> Workload for Faulty<F> {
    const ID: &'static str = F::ID;
    const ABOUT: &'static str = F::ABOUT;
    const TAGS: &'static [&'static str] = &["faulty"];
    type Params = F;

    fn create(mut params: F) -> Result<Self> {
        if params.at() == Phase::Create {
            params.act()?;
        }
        Ok(Self {
            fault: params,
            iterations: 0,
        })
    }

    fn setup(&mut self) -> Result<()> {
        self.act_at(Phase::Setup)
    }

    fn run(&mut self) -> Result<()> {
        scope!("faulty");
        self.iterations += 1;
        if self.iterations == self.fault.iteration() {
            self.act_at(Phase::Run)
        } else {
            Ok(())
        }
    }

    fn digest(&mut self) -> Result<Option<Digest>> {
        self.act_at(Phase::Digest)?;
        Ok(Some(Digest::integer(0)))
    }
}

impl<F: Fault> Drop for Faulty<F> {
    fn drop(&mut self) {
        if let Err(error) = self.act_at(Phase::Destroy) {
            // Dropping returns nothing, so an error can only be loud.
            panic!("{error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ends::Fails;
    use orch_sdk::serde_json::json;

    /// How many calls in a row succeed, and what the next one says.
    fn first_error(params: &orch_sdk::serde_json::Value) -> (usize, String) {
        let mut calls = vec!["create"];
        let result = (|| -> Result<()> {
            let mut faulty =
                std::mem::ManuallyDrop::new(Faulty::<Fails>::create(Fails::from_json(params)?)?);
            calls.push("setup");
            faulty.setup()?;
            for _ in 0..5 {
                calls.push("run");
                faulty.run()?;
            }
            calls.push("digest");
            faulty.digest().map(drop)
        })();
        (
            calls.len() - 1,
            result
                .err()
                .map_or(String::new(), |error| error.to_string()),
        )
    }

    #[test]
    fn fault_happens_once_and_in_its_phase() {
        let cases = [
            (json!({ "message": "m", "at": "create" }), 0, "m"),
            (json!({ "message": "m", "at": "setup" }), 1, "m"),
            (json!({ "message": "m" }), 4, "m"),
            (json!({ "message": "m", "iteration": 1 }), 2, "m"),
            (json!({ "message": "m", "iteration": 6 }), 7, ""),
            (json!({ "message": "m", "at": "digest" }), 7, "m"),
            (json!({ "message": "m", "at": "destroy" }), 7, ""),
        ];
        for (params, calls, message) in cases {
            assert_eq!(
                first_error(&params),
                (calls, message.to_owned()),
                "{params}"
            );
        }
    }

    #[test]
    fn good_one_is_good() -> Result<()> {
        let mut good = crate::output::Good::create(Params::from_json(&json!({ "n": 10 }))?)?;
        good.run()?;
        assert_eq!(good.digest()?, Some(Digest::integer(385)));
        Ok(())
    }
}
