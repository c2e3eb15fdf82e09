"""People who sign in. An e-mail address is the name; there is no user name."""

from __future__ import annotations

from typing import Any, ClassVar, Final
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower

from reviewapp.models.composed import Composed
from reviewapp.pure.ids import new_id

# The addresses of people who have none end so: files name them as somebody who judged (RFC 2606).
OUTSIDE: Final = "outside.invalid"


class PersonManager(BaseUserManager["Person"]):
    """Creates people; the address is kept as typed and compared without case."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> Person:
        person = self.model(email=self.normalize_email(email), **fields)
        person.set_password(password)
        person.save(using=self._db)
        return person

    def get(self, *args: Any, **lookup: Any) -> Person:
        """As ever; by the key alone, as each request asks who signed in, without composing it again."""
        by_key = not args and lookup.keys() == {"pk"} and isinstance(lookup["pk"], UUID)
        # A related manager, which is a subclass, knows some people only.
        if not by_key or type(self) is not PersonManager or self._db is not None:
            return super().get(*args, **lookup)
        found: Person | None = _BY_KEY.first(pk=lookup["pk"])
        if found is None:
            raise Person.DoesNotExist
        return found

    def get_by_natural_key(self, username: str | None) -> Person:
        return self.get(email__iexact=username)


class Person(AbstractBaseUser):
    """Somebody who can sign in. What they may do is said by their memberships."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    email = models.EmailField(max_length=254, unique=True)
    name = models.CharField(max_length=120, blank=True)
    is_active = models.BooleanField(default=True)
    # Operators run the installation. They see no project they are not a member of.
    is_operator = models.BooleanField(default=False)
    theme = models.CharField(
        max_length=8,
        default="system",
        choices=[("system", "System"), ("light", "Light"), ("dark", "Dark")],
    )
    language = models.CharField(max_length=8, blank=True)
    joined_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[PersonManager] = PersonManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [
            # Two accounts may not differ by case alone.
            models.UniqueConstraint(Lower("email"), name="person_email_unique"),
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def short_name(self) -> str:
        """What screens call this person: the name, or what stands before the @."""
        return self.name or self.email.split("@", 1)[0]

    @property
    def address(self) -> str | None:
        """Where mail reaches them; None for an outside reviewer of whom nothing but a name is known."""
        return None if self.email.endswith(f"@{OUTSIDE}") else self.email

    def get_full_name(self) -> str:
        return self.short_name


_BY_KEY: Final = Composed(lambda pk: Person.objects.filter(pk=pk))


class SignInLink(models.Model):
    """A link that signs a person in once. Only its digest is kept."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=new_id, editable=False)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="sign_in_links")
    digest = models.BinaryField(max_length=32, unique=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"link for {self.person_id}"
