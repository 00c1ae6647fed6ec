//! How a sale is divided, and how its division is taken back.
//!
//! Gross price → provider's fee → platform's commission → vendor's share. A vendor's share is reckoned on the price
//! before coupons: what a coupon gives away is the platform's expense. The fee is taken from both in the proportion in
//! which they share the sale, once the provider tells it.

use super::{Account, LedgerEntry, Posting};
use crate::{
    catalog::tax::Percent,
    kernel::{
        Currency, DeveloperId, OrderId, Time,
        money::{allocate, portion, share, slice},
    },
    payments::ProviderName,
};

/// A sold item, as far as the ledger is concerned; amounts in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SaleLine {
    /// Whose product.
    pub developer: DeveloperId,
    /// Before discount and tax.
    pub gross: i64,
    /// What a coupon took off.
    pub discount: i64,
    /// The tax on it.
    pub tax: i64,
    /// The platform's share, in hundredths of a percent.
    pub commission_bps: i64,
}

impl SaleLine {
    /// The same line, whose price and discount contain tax at `rate`: the seller gets the price without it, and a vendor's
    /// share is of that. What was paid for the line contains `included`.
    #[must_use]
    pub fn without(self, included: i64, rate: Percent) -> Self {
        if included == 0 {
            return self;
        }
        let net = self.gross - self.discount - included;
        let gross = if self.discount == 0 { net } else { (self.gross - rate.within(self.gross)).max(net) };
        Self { gross, discount: gross - net, tax: self.tax + included, ..self }
    }

    fn vendor_share(&self) -> i64 {
        self.gross - share(self.gross, self.commission_bps)
    }
}

/// A payment for items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sale {
    /// Of which order.
    pub order: OrderId,
    /// Who holds the money.
    pub provider: ProviderName,
    /// The currency of everything.
    pub currency: Currency,
    /// What was sold.
    pub lines: Vec<SaleLine>,
}

impl Sale {
    /// What the buyer paid.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.lines.iter().map(|line| line.gross - line.discount + line.tax).sum()
    }

    /// Books the sale. Vendors' shares can be paid out from `available_at` on.
    #[must_use]
    pub fn settled(&self, cause: String, available_at: Time) -> Posting {
        let mut entries = vec![LedgerEntry::new(Account::Clearing(self.provider), self.total())];
        for line in &self.lines {
            let vendor = line.vendor_share();
            entries.push(LedgerEntry::new(Account::Coupons, line.discount));
            entries.push(LedgerEntry::new(Account::Tax, -line.tax));
            entries.push(LedgerEntry::new(Account::Commission, -(line.gross - vendor)));
            entries.push(payable(line.developer, -vendor, available_at));
        }
        self.posting("sale", cause, entries)
    }

    /// Takes back what `refunded` of the total is worth, when `before` of it was taken back already. The parts of any
    /// number of refunds sum to exactly what was booked. `from` is where the money left: clearing, or a lost dispute.
    #[must_use]
    pub fn reversed(&self, cause: String, from: Account, before: i64, refunded: i64, now: Time) -> Posting {
        let (total, after) = (self.total(), before + refunded);
        let part = |amount: i64| portion(amount, after, total) - portion(amount, before, total);
        // Of the whole tax at once: what a credit note says of each rate sums to it.
        let tax: i64 = slice(&[self.lines.iter().map(|line| line.tax).sum()], total, before, refunded).iter().sum();
        let mut entries = vec![LedgerEntry::new(from, -refunded), LedgerEntry::new(Account::Tax, tax)];
        let mut commission = refunded - tax;
        for line in &self.lines {
            let (vendor, discount) = (part(line.vendor_share()), part(line.discount));
            entries.push(payable(line.developer, vendor, now));
            entries.push(LedgerEntry::new(Account::Coupons, -discount));
            commission -= vendor - discount;
        }
        // The rest is the platform's: it takes what rounding leaves.
        entries.push(LedgerEntry::new(Account::Commission, commission));
        self.posting("refund", cause, entries)
    }

    /// Books what the provider kept.
    #[must_use]
    pub fn fee(&self, cause: String, fee: i64, now: Time) -> Posting {
        let weights: Vec<i64> = self.lines.iter().map(|line| line.gross).collect();
        let mut entries = vec![LedgerEntry::new(Account::Clearing(self.provider), -fee)];
        let mut ours = fee;
        for (line, part) in self.lines.iter().zip(allocate(fee, &weights)) {
            let vendor = part - share(part, line.commission_bps);
            entries.push(payable(line.developer, vendor, now));
            ours -= vendor;
        }
        entries.push(LedgerEntry::new(Account::Fees, ours));
        self.posting("fee", cause, entries)
    }

    /// Money that arrived and settles nothing.
    #[must_use]
    pub fn unmatched(&self, cause: String, amount: i64, currency: Currency) -> Posting {
        let entries = vec![
            LedgerEntry::new(Account::Clearing(self.provider), amount),
            LedgerEntry::new(Account::Suspense, -amount),
        ];
        Posting { currency, ..self.posting("unmatched", cause, entries) }
    }

    /// The provider took money back until the dispute is decided; or gave it back, for a negative amount.
    #[must_use]
    pub fn disputed(&self, cause: String, amount: i64) -> Posting {
        let entries = vec![
            LedgerEntry::new(Account::Clearing(self.provider), -amount),
            LedgerEntry::new(Account::Disputed(self.provider), amount),
        ];
        self.posting("dispute", cause, entries)
    }

    fn posting(&self, kind: &'static str, cause: String, entries: Vec<LedgerEntry>) -> Posting {
        Posting { kind, cause, order: self.order, currency: self.currency, entries }
    }
}

fn payable(developer: DeveloperId, amount: i64, available_at: Time) -> LedgerEntry {
    LedgerEntry {
        account: Account::VendorPayable,
        developer: Some(developer),
        amount,
        available_at: Some(available_at),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::kernel::Id;

    const NOW: Time = Time::from_micros(1_800_000_000_000_000);

    fn line() -> impl Strategy<Value = SaleLine> {
        (0..1_000_000_000_i64, 0..=100_i64, 0..=30_i64, 0..=10_000_i64, 0..3_u128).prop_map(
            |(gross, off, taxed, commission_bps, developer)| {
                let discount = gross * off / 100;
                let tax = (gross - discount) * taxed / 100;
                SaleLine { developer: Id::from_uuid(Uuid::from_u128(developer)), gross, discount, tax, commission_bps }
            },
        )
    }

    fn sum_of(posting: &Posting, account: Account) -> i64 {
        posting.entries.iter().filter(|entry| entry.account == account).map(|entry| entry.amount).sum()
    }

    proptest! {
        #[test]
        fn every_posting_balances_and_refunds_sum_to_the_sale(
            lines in prop::collection::vec(line(), 1..6),
            cuts in prop::collection::vec(1..=1_000_i64, 1..6),
            fee in 0..100_000_i64,
        ) {
            let order = Id::from_uuid(Uuid::from_u128(7));
            let sale = Sale { order, provider: ProviderName::Stripe, currency: Currency::USD, lines };
            let settled = sale.settled("s".into(), NOW);
            prop_assert_eq!(settled.check(), Ok(()));
            prop_assert_eq!(sale.fee("f".into(), fee, NOW).check(), Ok(()));
            prop_assert_eq!(sale.disputed("d".into(), fee).check(), Ok(()));
            let clearing = Account::Clearing(ProviderName::Stripe);
            let total = sale.total();
            prop_assume!(total > 0);
            let (mut before, mut sums) = (0, [0_i64; 5]);
            for part in allocate(total, &cuts) {
                let reversal = sale.reversed("r".into(), clearing, before, part, NOW);
                prop_assert_eq!(reversal.check(), Ok(()));
                before += part;
                let accounts = [clearing, Account::VendorPayable, Account::Commission, Account::Tax, Account::Coupons];
                for (sum, account) in sums.iter_mut().zip(accounts) {
                    *sum += sum_of(&reversal, account);
                }
            }
            let accounts = [clearing, Account::VendorPayable, Account::Commission, Account::Tax, Account::Coupons];
            for (sum, account) in sums.into_iter().zip(accounts) {
                prop_assert_eq!(sum, -sum_of(&settled, account), "{:?}", account);
            }
        }
    }

    #[test]
    fn the_platform_pays_for_coupons_and_everyone_for_fees() {
        let developer = Id::from_uuid(Uuid::from_u128(1));
        let line = SaleLine { developer, gross: 10_000, discount: 2_000, tax: 800, commission_bps: 1_500 };
        let order = Id::from_uuid(Uuid::from_u128(7));
        let sale = Sale { order, provider: ProviderName::Stripe, currency: Currency::USD, lines: vec![line] };
        let settled = sale.settled("s".into(), NOW);
        assert_eq!(sum_of(&settled, Account::Clearing(ProviderName::Stripe)), 8_800);
        assert_eq!(sum_of(&settled, Account::Coupons), 2_000);
        assert_eq!(sum_of(&settled, Account::Tax), -800);
        assert_eq!(sum_of(&settled, Account::Commission), -1_500);
        assert_eq!(sum_of(&settled, Account::VendorPayable), -8_500);
        let fee = sale.fee("f".into(), 300, NOW);
        assert_eq!(sum_of(&fee, Account::VendorPayable), 255);
        assert_eq!(sum_of(&fee, Account::Fees), 45);
    }
}
