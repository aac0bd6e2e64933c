package ConsentGate::Tcf;

# TC strings, by the reference library of the framework.

use v5.36;

use Carp qw(croak);
use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use JSON::PP ();

our @EXPORT = qw(tcf_prepare tcf_strings);

my $ROOT  = abs_path(dirname(__FILE__) . '/../../..');
my $BUILD = $ENV{CG_BUILD} ? abs_path($ENV{CG_BUILD}) : "$ROOT/build";


# Installs the library, makes build/tcf/decode. Returns where they are.
sub tcf_prepare () {
    my $made = `make -s -C '$ROOT' BUILD='$BUILD' tcf 2>&1`;
    croak $made if $?;

    $ENV{NODE_PATH} = "$BUILD/tcf/node_modules";

    return "$BUILD/tcf";
}


# A string for each wish, as t/tcf/vectors.js knows them.
sub tcf_strings (@wishes) {
    tcf_prepare();

    my $json = JSON::PP->new->canonical->encode(\@wishes);
    open my $node, '-|', 'node', "$ROOT/t/tcf/vectors.js", 'one', $json
        or croak "node: $!";
    chomp(my @strings = readline $node);
    close $node or croak 'node has failed';

    return @strings;
}

1;

__END__

=head1 NAME

ConsentGate::Tcf - strings of a consent manager

=head1 SYNOPSIS

    my ($string) = tcf_strings({ consents => [1, 7], vendors => [755] });
    $browser->jar->set('euconsent-v2', $string);

=cut
