//! How fast letters are written: text and HTML of an order's, in both languages in turn.

use std::time::Instant;

use mintreu::{
    kernel::Time,
    notifications::{Letterhead, Sample, Template, languages},
};

use crate::{ROUND, ROUNDS, report::Report};

pub(crate) fn run(report: &Report<'_>) {
    let name = "mails: letters written, text and HTML";
    if !report.wants(name) {
        return;
    }
    let head = Letterhead { shop: "Our shop".to_owned(), url: "https://shop.example.com".to_owned() };
    let sample = Sample::at(Time::from_micros(1_800_000_000_000_000));
    let letters = sample.letters(Template::OrderFulfilled);
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        let (began, mut written) = (Instant::now(), 0_usize);
        while began.elapsed() < *ROUND {
            for (words, language) in letters.iter().zip(languages()) {
                let letter = head.letter(language, "ada@example.com", &**words).expect("written");
                written += usize::from(!std::hint::black_box(letter).html.is_empty());
            }
        }
        rates.push(written as f64 / began.elapsed().as_secs_f64());
    }
    Report::plain_rate(name, &mut rates, "5 k/s");
}
