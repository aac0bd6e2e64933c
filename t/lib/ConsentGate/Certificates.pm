package ConsentGate::Certificates;

# A certificate authority of a test, and what it signs: by openssl.

use v5.36;

use Carp qw(croak);
use File::Path qw(make_path);


# dir: where its files are; name: of the authority.
sub new ($class, %options) {
    my $self = bless { name => 'ca', serial => 1, %options }, $class;

    make_path($self->{dir});
    $self->{cert} = "$self->{dir}/$self->{name}.crt";
    $self->{key}  = "$self->{dir}/$self->{name}.key";

    $self->openssl(qw(req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256
        -nodes -days 30 -subj), "/CN=$self->{name}", '-keyout',
        $self->{key}, '-out', $self->{cert});

    return $self;
}


sub cert ($self) { return $self->{cert} }
sub key  ($self) { return $self->{key} }


# Paths of a certificate and its key. names: what it is for, DNS:... or IP:...;
# days: may be negative, expired then; use: serverAuth or clientAuth.
sub issue ($self, $name, %options) {
    my $path  = "$self->{dir}/$name";
    my @names = @{ $options{names} // ["DNS:$name"] };
    my $use   = $options{use} // 'serverAuth';

    open my $fh, '>', "$path.ext" or croak "$path.ext: $!";
    print $fh "basicConstraints=CA:FALSE\nextendedKeyUsage=$use\n",
        'subjectAltName=', join(',', @names), "\n";
    close $fh or croak "$path.ext: $!";

    $self->openssl(qw(req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes
        -subj), "/CN=$name", '-keyout', "$path.key", '-out', "$path.csr");
    $self->openssl(qw(x509 -req -days), $options{days} // 30, '-in',
        "$path.csr", '-CA', $self->{cert}, '-CAkey', $self->{key},
        '-set_serial', $self->{serial}++, '-extfile', "$path.ext",
        '-out', "$path.crt");

    return ("$path.crt", "$path.key");
}


sub openssl ($self, @arguments) {
    open my $openssl, '-|', 'sh', '-c', 'exec openssl "$@" 2>&1', 'openssl',
        @arguments or croak "openssl: $!";
    my $output = do { local $/; readline $openssl } // '';
    close $openssl or croak "openssl $arguments[0]: $output";

    return $output;
}

1;

__END__

=head1 NAME

ConsentGate::Certificates - certificates for tests

=head1 SYNOPSIS

    my $ca = ConsentGate::Certificates->new(dir => $t->dir . '/tls');
    my ($cert, $key) = $ca->issue('redis.test', names =>
        ['DNS:redis.test', 'IP:127.0.0.1']);

=head1 METHODS

=over

=item C<new(dir =E<gt> $path, name =E<gt> 'ca')>

An authority that signs itself.

=item C<issue($name, %options)>

A certificate and its key, two paths. Options are C<names>, a list of
C<DNS:...> and C<IP:...>; C<days> it is valid, negative for one that has
expired; C<use>, C<serverAuth> or C<clientAuth>.

=item C<cert>, C<key>

Of the authority.

=back

=cut
