use v5.36;

# The manual page, the help, the completion and docs/consentctl.md tell the
# same as the table of commands.

use lib 't/lib';
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use Test::More;

my $top = abs_path(dirname(__FILE__) . '/..');
my $ctl = ($ENV{CG_BUILD} // "$top/build") . '/consentctl';

sub slurp ($path) {
    open my $fh, '<', "$top/$path" or die "$path: $!\n";
    local $/ = undef;
    return scalar <$fh>;
}

# What a setting is if nothing sets it, by the help.
sub preset ($setting) {
    return `'$ctl' help` =~ /^  --\Q$setting\E .*?(?=^  --|\n\n)/ms
        && $& =~ /^ +\(([^()]*)\)$/m ? $1 : undef;
}

my %table = map { /^([^:]+):(.*)$/ ? ("$1" => [$2 =~ /--([\w-]+)/g]) : () }
    split /\n/, `'$ctl' help --table`;
my @global = @{ delete $table{'*'} };
my $man = slurp('docs/consentctl.1') =~ s/\\-/-/gr =~ s/\\&//gr;

cmp_ok keys %table, '>', 10, 'there are commands';

subtest 'the manual page' => sub {
    my ($commands, $options) = $man
        =~ /^\.SH COMMANDS\n(.*?)^\.SH OPTIONS\n(.*?)^\.SH EXIT/ms;
    my %section = map { /^consentctl ([a-z]+(?: [a-z]+)?)\b(.*)/s
        ? ("$1" => $2) : () } split /^\.SS /m, $commands;

    is_deeply [sort keys %section], [sort keys %table], 'has each command';

    for my $command (sort keys %table) {
        my @documented = $section{$command} =~ /^\.TP\n\\fB--([\w-]+)/mg;
        is_deeply [sort @documented], [sort @{ $table{$command} }],
            "$command: each option";
    }

    is_deeply [sort $options =~ /^\.TP\n\\fB--([\w-]+)/mg], [sort @global],
        'each option of every command';

    for my $command (grep { $_ ne 'help' } sort keys %table) {
        my ($words) = `'$ctl' help $command` =~ /\n\n(.*?)\n\n/s;
        my ($page) = $section{$command} =~ /\n(.*?)\n\.PP\n/s;
        is $page, $words, "$command: the words of its help";
    }

    my @settings = map { [$_, preset($_)] } `'$ctl' help`
        =~ /^Settings:.*?\n\n(.*?)\n\n/ms ? $1 =~ /^  --([\w-]+)/mg : ();
    my ($settings) = $man =~ /^\.SH SETTINGS\n(.*?)^\.SH /ms;
    is_deeply [$settings =~ /^\\fB--([\w-]+)/mg], [map { $_->[0] } @settings],
        'each setting';
    my %of = map { /^\\fB--([\w-]+)\\fR(.*)/s ? ($1 => $2) : () }
        split /^\.TP\n/m, $settings;
    is_deeply [grep { defined $_->[1] && $of{$_->[0]} !~ /^\(\Q$_->[1]\E\)$/m }
            @settings],
        [], 'with what it is without being set';
};

subtest 'exit codes' => sub {
    my @help = `'$ctl' help` =~ /^  (\d)  (\w+) /mg;
    is_deeply [$man =~ /^\.BR (\d) " \((\w+)\)"$/mg], \@help, 'manual page';
    is_deeply [slurp('docs/consentctl.md') =~ /^\| (\d) \| `(\w+)` \|/mg],
        \@help, 'docs/consentctl.md';
};

subtest 'faults' => sub {
    my ($names) = slurp('src/ctl/ctl_event.c')
        =~ /ctl_fault_names\[CTL_FAULTS\] = \{(.*?)\}/s;
    my @faults = grep { $_ ne 'none' } $names =~ /"(\w+)"/g;
    my ($table) = slurp('docs/consentctl.md') =~ /^\| fault .*?\n\n/ms
        ? $& : '';
    is_deeply [$table =~ /^\| `(\w+)`/mg], \@faults, 'docs/consentctl.md';
};

subtest 'bash completion' => sub {
    my sub complete (@words) {
        my $n = @words;
        my $list = join ' ', map { "'$_'" } 'consentctl', @words;
        return split ' ', `bash -c 'PATH=\$1:\$PATH; . \$2
            COMP_WORDS=($list); COMP_CWORD=$n; _consentctl
            echo "\${COMPREPLY[@]}"' - '@{[ dirname($ctl) ]}' \\
            '$top/conf/completion/consentctl'`;
    }

    my %first = map { s/ .*//r => 1 } keys %table;
    my %got = map { $_ => 1 } complete('');
    is_deeply [sort keys %got], [sort keys %first], 'commands';
    is_deeply [sort { $a cmp $b } complete('policy', '')],
        [qw(list publish schedule)], 'the second word';
    is_deeply [complete('policy', 'publish', '--dr')], ['--dry-run'],
        'an option';
    is_deeply [complete('--top')], ['--topology'], 'a setting';
};

subtest 'the manual page can be read' => sub {
    my $page = `man -l '$top/docs/consentctl.1' 2>&1`;
    plan skip_all => 'there is no man' if $? == 127 << 8;
    like $page, qr/^SYNOPSIS$/m, 'by man';
};

done_testing;
