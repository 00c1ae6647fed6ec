//! x
mod count; mod journal; mod tally;
