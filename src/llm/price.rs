//! What tokens cost.

use crate::config::Prices;
use crate::domain::{Cost, Usage};

/// What a model's vendor will ask for so many tokens, rounded up.
pub fn cost(prices: Prices, usage: Usage) -> Cost {
    Cost::of((usage.input as f64 * prices.input + usage.output as f64 * prices.output) / 1_000_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_of_a_million_tokens_and_costs_are_never_understated() {
        let prices = Prices { input: 0.25, output: 2.0 };
        assert_eq!(cost(prices, Usage { input: 1_000_000, output: 500_000 }), Cost(1_250_000));
        assert_eq!(cost(prices, Usage { input: 1, output: 0 }), Cost(1), "a quarter of a millionth");
        assert_eq!(cost(prices, Usage::default()), Cost(0));
        assert_eq!(cost(Prices::default(), Usage { input: 9, output: 9 }), Cost(0));
    }
}
