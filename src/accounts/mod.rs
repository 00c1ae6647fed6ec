//! Accounts: people, what proves who they are, and the tenants that own what they buy.
//!
//! The promise: whoever has an account here proved its address; no answer tells whether an address has one; and what
//! proves who somebody is (passwords, tokens, codes, links) is not in the database in a form that could be used.

mod access_token;
mod account;
mod again;
mod by;
mod claim;
mod desk;
mod email;
mod guest;
mod housekeeping;
mod identity;
mod login;
mod name;
mod password;
mod proof;
mod register;
mod reset;
mod role;
mod second_factor;
mod session;
mod tenant;
mod token;

pub use access_token::{
    AccessToken, AccessTokenId, AccessTokenMarker, MOST_TOKENS, MadeAccessToken, NewAccessToken, TokenError,
    access_tokens, make_token, revoke_token,
};
pub use account::{
    Account, AccountChange, AccountError, NewAccount, change_account, create_account, find_any_account,
    find_any_account_by_email, rename,
};
pub use again::{AgainError, ShownAgain, show_again};
pub use by::By;
pub use claim::{Claim, ClaimError, Claimed, ClaimedBy, claim_purchases};
pub use desk::{AccountFilter, AccountSort, Invited, Link, PutOut, all_accounts, invite, put_out, send_link};
pub use email::{Email, InvalidEmail};
pub use guest::{ask_for_support, proven_guest};
pub use housekeeping::{Housekeeping, purge};
pub use identity::{Credential, Identity, identify_session, identify_token, note_use};
pub use login::{LoginError, PasswordShown, SignIn, SignedIn, actor, check_password, sign_in};
pub use name::{Name, NotAName};
pub use password::{Checked, HashError, NewPassword, Passwords, WeakPassword};
pub use proof::{ProofOf, ProofToMail, Purpose, claim_of_guest, issue_proof, proof_to_mail, proof_token};
pub use register::{
    ProofError, RegisterError, Registration, UserVerified, Verified, register, resend_verification, verify_email,
};
pub use reset::{PasswordError, change_password, forgot_password, reset_password};
pub use role::{Role, Scope, Scopes};
pub use second_factor::{
    Enrolment, SecondFactor, SecondFactorError, begin_second_factor, confirm_second_factor, disable_second_factor,
    reset_second_factor,
};
pub use session::{Device, SESSION_LIFE, Session, SessionId, SessionMarker, end_session, sessions};
pub use tenant::{AttachPurchases, guest_tenant};
pub use token::{ACCESS_TOKEN_PREFIX, SESSION_TOKEN_PREFIX, token_hash};

pub use crate::kernel::{TenantId, UserId};
