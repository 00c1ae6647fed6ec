//! What operators do alike with everything that the catalogue keeps: show it, make it, change it, delete it.

/// `show`, `change` and `remove` of one kind of thing, at `…/{id}`. Changes name the revision that they are made to.
macro_rules! managed {
    ($id:ty => $thing:ty, $fields:ty: $show:path, $patch:path, $delete:path) => {
        /// `GET …/{id}`
        pub(super) async fn show(
            ::axum::extract::State(app): ::axum::extract::State<$crate::app::App>,
            _: $crate::http::Admin,
            $crate::http::Path(id): $crate::http::Path<$id>,
            known: $crate::http::IfNoneMatch,
        ) -> Result<$crate::http::Conditional<$thing>, $crate::http::Problem> {
            let thing = $show(&app.db, id).await?.ok_or_else(super::missing)?;
            Ok(known.answer(tag_of(&thing), thing))
        }

        /// `PATCH …/{id}`
        pub(super) async fn change(
            ::axum::extract::State(app): ::axum::extract::State<$crate::app::App>,
            admin: $crate::http::Admin,
            context: $crate::http::Context,
            $crate::http::Path(id): $crate::http::Path<$id>,
            $crate::http::IfMatch(revision): $crate::http::IfMatch,
            $crate::http::Json(patch): $crate::http::Json<$crate::http::MergePatch<$fields>>,
        ) -> Result<$crate::http::Tagged<$thing>, $crate::http::Problem> {
            let by = super::by(&admin, &context);
            let thing = app.db.write(async |tx| $patch(tx, id, revision, &patch, &by).await).await?;
            Ok($crate::http::Tagged(tag_of(&thing), thing))
        }

        /// `DELETE …/{id}`
        pub(super) async fn remove(
            ::axum::extract::State(app): ::axum::extract::State<$crate::app::App>,
            admin: $crate::http::Admin,
            context: $crate::http::Context,
            $crate::http::Path(id): $crate::http::Path<$id>,
            $crate::http::IfMatch(revision): $crate::http::IfMatch,
        ) -> Result<$crate::http::NoContent, $crate::http::Problem> {
            let by = super::by(&admin, &context);
            app.db.write(async |tx| $delete(tx, id, revision, &by).await).await?;
            Ok($crate::http::NoContent)
        }
    };
}

/// `create`, of a thing that stands in nothing else.
macro_rules! created_in {
    ($collection:literal => $thing:ty: $fields:ty, $create:path) => {
        #[doc = concat!("`POST ", $collection, "`")]
        pub(super) async fn create(
            ::axum::extract::State(app): ::axum::extract::State<$crate::app::App>,
            admin: $crate::http::Admin,
            context: $crate::http::Context,
            key: $crate::http::IdempotencyKey,
            $crate::http::Json(fields): $crate::http::Json<$fields>,
        ) -> Result<$crate::http::FirstRevision<$crate::http::Once<$thing>>, $crate::http::Problem> {
            let (by, scope) = (super::by(&admin, &context), format!("{} POST {}", admin.user, $collection));
            let body = fields.clone();
            let answer = $crate::http::once(&app, key, scope, &body, async |tx| $create(tx, fields, &by).await);
            Ok($crate::http::FirstRevision(answer.await?))
        }
    };
}

pub(super) use {created_in, managed};
