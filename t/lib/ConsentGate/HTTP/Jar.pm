package ConsentGate::HTTP::Jar;

# Cookies of one host: enough of RFC 6265 for tests.

use v5.36;


sub new ($class) {
    return bless { cookies => {} }, $class;
}


sub store ($self, $response) {
    for my $line ($response->headers('Set-Cookie')) {
        my ($pair, @attributes) = split /\s*;\s*/, $line;
        my ($name, $value) = split /=/, $pair, 2;
        my %attribute = map { /^([^=]+)=?(.*)$/ ? (lc $1 => $2) : () }
            @attributes;

        if (($attribute{'max-age'} // 1) <= 0) {
            delete $self->{cookies}{$name};
            next;
        }

        $self->{cookies}{$name} = {
            value => $value,
            path  => $attribute{path} || '/',
            line  => $line,
        };
    }

    return;
}


# The Cookie header for a URI; undef when there is none to send.
sub header ($self, $uri) {
    my ($path) = $uri =~ m{^(?:https?://[^/]*)?([^?]*)};
    my $all = $self->{cookies};

    my @sent = map { "$_=$all->{$_}{value}" }
        grep { covers($all->{$_}{path}, $path) } sort keys %$all;

    return @sent ? join '; ', @sent : undef;
}


sub covers ($cookie, $path) {
    return $path eq $cookie || index($path, $cookie) == 0
        && ($cookie =~ m{/$} || substr($path, length $cookie, 1) eq '/');
}


sub get ($self, $name) {
    return $self->{cookies}{$name} && $self->{cookies}{$name}{value};
}


# The whole Set-Cookie line.
sub line ($self, $name) {
    return $self->{cookies}{$name} && $self->{cookies}{$name}{line};
}


sub set ($self, $name, $value, $path = '/') {
    $self->{cookies}{$name} = { value => $value, path => $path, line => '' };
    return;
}


sub delete ($self, $name) {
    return delete $self->{cookies}{$name};
}


sub names ($self) {
    return sort keys %{ $self->{cookies} };
}

1;

__END__

=head1 NAME

ConsentGate::HTTP::Jar - cookies of a test client

=head1 METHODS

C<get($name)>, C<line($name)> (the Set-Cookie header that set it),
C<set($name, $value, $path)>, C<delete($name)>, C<names>, C<store($response)>,
C<header($uri)>. Paths and Max-Age are respected; Secure and Domain are not.

=cut
