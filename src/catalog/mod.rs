//! The catalogue: what is for sale, in which plans, for how much.
//!
//! Promise: a price is the catalogue's and no client's ([`quote`]); an edit is of the state that its maker saw, or is not
//! made ([`EditError::Stale`]); and whatever an import says wrong, nothing of it is kept.

mod browse;
mod category;
mod check;
mod coupon;
mod desk;
mod developer;
mod discount;
mod edit;
mod listing;
mod page;
mod plan;
mod plan_edit;
mod product;
mod quote;
mod redeem;
mod search;
pub mod seed;
mod shelve;
pub mod tax;
mod transfer;

pub use browse::{Browse, BrowseError, Card, Cursor, CursorError, Named, Rating, Sort, browse};
pub use category::{
    Category, CategoryFields, MAX_DEPTH, categories, category, create_category, delete_category, patch_category,
};
pub(crate) use check::Checks;
pub use check::is_slug;
pub use coupon::{Coupon, CouponFields, coupon, create_coupon, delete_coupon, patch_coupon};
pub use desk::{AnyCoupons, AnyProducts, CouponSort, ProductSort, coupons, products};
pub use developer::{
    Developer, DeveloperFields, HOUSE, create_developer, delete_developer, developer, developer_of, developers,
    patch_developer,
};
pub use edit::{By, EditError, Flaw};
pub(crate) use edit::{parsed, patched};
pub use page::{CategoryNode, Offered, ProductPage, category_tree, product_page};
pub use plan::{BillingCycle, LicenseType, Limits};
pub use plan_edit::{MAX_PRICE, Plan, PlanFields, create_plan, delete_plan, patch_plan, plan, plans};
pub use product::{Product, ProductArchived, ProductFields, ProductPublished, ProductStatus, ProductType};
pub use quote::{CouponProblem, ItemProblem, Line, Quote, QuoteError, QuoteRequest, Wanted, quote};
pub use redeem::{redeem_coupon, release_coupon};
pub use search::{Questions, Words};
pub use shelve::{create_product, delete_product, patch_product, product, products_of};
pub use transfer::{
    Alone, Beside, Counts, ExportError, Format, ImportError, ImportMode, Imported, Kept, Kind as RecordKind, export,
    export_with, import, import_with,
};
