//! What tests of strategies need: small closures, surroundings that record, and the contract as one suite.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::shapes::{Shape, layer_limits};
use crate::{Closure, Generation, Level, NamedNode, Request, Strategy, Surroundings};

/// Returns a closure from lines `name -> reference reference ...`.
///
/// Names need no line of their own where another refers to them. Every size is 1; a lineage is the name up to its last
/// dash. Roots are the nodes that no other refers to.
///
/// # Panics
///
/// Never: such a text always is a closure.
#[must_use]
pub fn closure(text: &str) -> Closure {
    let mut nodes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (name, references) = line.split_once("->").unwrap_or((line, ""));
        let references: Vec<String> = references.split_whitespace().map(str::to_owned).collect();
        for reference in &references {
            nodes.entry(reference.clone()).or_default();
        }
        nodes.entry(name.trim().to_owned()).or_default().extend(references);
    }
    let named = nodes.into_iter().map(|(name, references)| {
        let lineage = name.rsplit_once('-').map_or(name.as_str(), |(lineage, _)| lineage).to_owned();
        NamedNode { lineage, name, size: 1, references }
    });
    Closure::new(named.collect(), None).expect("every reference has become a node")
}

/// Surroundings that know the given history and keep what was said.
#[derive(Debug, Default)]
pub struct Recorded {
    generations: Vec<Generation>,
    messages: RefCell<Vec<(Level, String)>>,
}

impl Recorded {
    /// With these earlier images, newest first.
    #[must_use]
    pub fn with_history(generations: Vec<Generation>) -> Self {
        Self { generations, ..Self::default() }
    }

    /// Everything that was said so far.
    #[must_use]
    pub fn messages(&self) -> Vec<(Level, String)> {
        self.messages.borrow().clone()
    }
}

impl Surroundings for Recorded {
    fn log(&self, level: Level, message: &str) {
        self.messages.borrow_mut().push((level, message.to_owned()));
    }

    fn generations(&self, limit: u32) -> Vec<Generation> {
        self.generations.iter().take(limit as usize).cloned().collect()
    }
}

/// Runs a strategy, natively, on closures of every shape with every interesting layer limit, and asserts that each
/// proposal passes the check and comes out the same twice.
///
/// A [`crate::Failure::Unsatisfiable`] counts as keeping the contract.
///
/// # Panics
///
/// Where the strategy breaks the contract, with the closure and the limit.
pub fn assert_keeps_the_contract<S: Strategy>(config: &str) {
    for shape in Shape::ALL {
        let closure = shape.closure();
        for max_layers in layer_limits(&closure) {
            let request = Request { closure: closure.clone(), max_layers, config: config.to_owned() };
            assert_keeps_the_contract_on::<S>(shape, &request);
        }
    }
}

fn assert_keeps_the_contract_on<S: Strategy>(shape: Shape, request: &Request) {
    let what = format!("closure `{shape}`, at most {} layers", request.max_layers);
    let first = S::plan(request, &Recorded::default());
    assert_eq!(first, S::plan(request, &Recorded::default()), "{what}: not the same twice");
    match first {
        Ok(proposal) => match proposal.check(&request.closure, request.max_layers) {
            Ok(_) => {}
            Err(breach) => panic!("{what}: {breach}"),
        },
        Err(crate::Failure::Unsatisfiable(_)) => {}
        Err(failure) => panic!("{what}: {failure}"),
    }
}
