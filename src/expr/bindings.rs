//! The values of declared variables at one moment.

use super::convert::to_cel;
use crate::domain::Shape;
use cel::{
    common::value::{CowVal, Val},
    context::VariableResolver,
};
use serde_json::Value;
use std::{collections::BTreeMap, fmt, sync::Arc};

/// Values of variables. A declared variable that is not set here makes an evaluation unknown, never a panic.
#[derive(Clone, Default)]
pub struct Bindings {
    values: BTreeMap<String, Result<Arc<dyn Val>, String>>,
}

impl Bindings {
    /// Nothing bound.
    pub fn new() -> Self {
        Self::default()
    }

    /// Binds a variable, converted by its declared type. A value that is of another type, or has a list of more than
    /// [`super::MAX_LIST`] elements, is not bound, and expressions that need it say so: half a list would let
    /// `all` and `exists` claim what is not so.
    pub fn set(&mut self, name: impl Into<String>, value: &Value, shape: &Shape) -> &mut Self {
        let converted = to_cel(value, shape).and_then(|value| {
            let value: Result<Box<dyn Val>, _> = value.try_into();
            value.map(Arc::from).map_err(|_| "has no form in CEL".to_owned())
        });
        self.values.insert(name.into(), converted);
        self
    }

    /// Why a variable has no value, if it has none.
    pub(super) fn missing(&self, name: &str) -> Option<String> {
        match self.values.get(name) {
            Some(Ok(_)) => None,
            Some(Err(problem)) => Some(format!("'{name}' {problem}")),
            None => Some(format!("'{name}' is not known yet")),
        }
    }
}

impl VariableResolver for Bindings {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let value = self.values.get(variable)?.as_ref().ok()?;
        Some(CowVal::Borrowed(value.as_ref()))
    }
}

impl fmt::Debug for Bindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}
