//! The names by which rooms refer to each other's rows.

use crate::id_type;

id_type!(UserId, User, "usr", "A person's account.");
id_type!(TenantId, Tenant, "ten", "Who owns what was bought: a person or an organisation.");
id_type!(DeveloperId, Developer, "dev", "A vendor.");
id_type!(CategoryId, Category, "cat", "A category of the catalogue.");
id_type!(ProductId, Product, "prd", "A product.");
id_type!(PlanId, Plan, "pln", "A plan of a product.");
id_type!(CouponId, Coupon, "cpn", "A coupon.");
id_type!(OrderId, Order, "ord", "An order.");
id_type!(OrderItemId, OrderItem, "itm", "An item of an order.");
id_type!(SubscriptionId, Subscription, "sub", "A subscription.");
id_type!(PaymentId, Payment, "pay", "A payment.");
id_type!(RefundId, Refund, "rfd", "A refund.");
id_type!(DisputeId, Dispute, "dsp", "A dispute.");
id_type!(TaxRateId, TaxRate, "txr", "A rate of tax.");
id_type!(InvoiceId, Invoice, "inv", "An invoice or a credit note.");
id_type!(LicenseId, License, "lic", "A licence.");
id_type!(TicketId, Ticket, "tkt", "A support ticket.");
id_type!(TicketMessageId, TicketMessage, "msg", "A message of a ticket.");
